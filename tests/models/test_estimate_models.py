"""The estimate's counts against real models."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from core.adapters.settings.places import LinearConfig
from core.adapters.targets import find_sites
from core.base.errors import ModelError
from core.models import processor
from core.models.estimate import CPU_FLOPS_PER_CORE, HALF_GAIN, Plan, estimate, model_size, read_model_size
from core.models.processor import multiplies_bfloat16
from tests.tiny_models import build_tiny_llama, build_tiny_t5

CONFIGS = {
    "llama": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
    "qwen3": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "gpt2": {"n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257},
    "t5": {
        "d_model": 512,
        "d_kv": 64,
        "d_ff": 1024,
        "num_layers": 8,
        "num_heads": 6,
        "vocab_size": 32128,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": True,
        "is_encoder_decoder": True,
    },
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_sizes_are_those_of_the_real_model(kind):
    values = {"model_type": kind, **CONFIGS[kind]}
    config = AutoConfig.for_model(kind, **CONFIGS[kind])
    auto = AutoModelForSeq2SeqLM if kind == "t5" else AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config)
    size = model_size(values, kind)
    linears = sum(s.in_features * s.out_features for s in find_sites(model, LinearConfig()))
    assert size.block_parameters == linears
    assert abs(size.parameters / model.num_parameters() - 1) < 0.02
    widths = sum(s.in_features + s.out_features for s in find_sites(model, LinearConfig()))
    assert size.low_rank_parameters(3) == 3 * widths


def test_reads_folders(tmp_path):
    assert read_model_size(build_tiny_llama(tmp_path / "llama")).blocks == 2
    assert read_model_size(build_tiny_t5(tmp_path / "t5")).parameters > 0
    with pytest.raises(ModelError):
        read_model_size(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelError, match="sizes"):
        read_model_size(tmp_path)


def test_estimate_grows_with_the_plan():
    size = model_size({"model_type": "llama", **CONFIGS["llama"]}, "llama")
    small = estimate(size, Plan(8, 128, 100, rank=2, skills=7, active_rank=8))
    assert 0.5e9 < small.model_bytes < 0.6e9
    assert small.memory_bytes == small.model_bytes + small.adapter_bytes + small.activation_bytes
    longer = estimate(size, Plan(8, 256, 100, rank=2, skills=7, active_rank=8))
    assert longer.seconds == pytest.approx(2 * small.seconds)
    assert longer.activation_bytes == 2 * small.activation_bytes
    short = estimate(size, Plan(8, 128, 100, rank=2, skills=7, active_rank=8, answers=16))
    saved = 100 * 8 * (128 - 16) * small.head_seconds  # the head reads answers only
    assert small.seconds - short.seconds == pytest.approx(saved)
    more = estimate(size, Plan(8, 128, 100, rank=2, skills=14, active_rank=8))
    assert more.adapter_bytes == 2 * small.adapter_bytes
    half = estimate(size, Plan(8, 128, 100, rank=2, skills=7, active_rank=8, dtype="bfloat16"))
    assert half.model_bytes * 2 == small.model_bytes
    assert estimate(size, Plan(8, 128, 100, 2, 7, 8, device="cuda")).seconds < small.seconds


def test_bfloat16_products_make_the_blocks_smaller_and_faster():
    """A float32 model whose blocks multiply in bfloat16: half of the blocks' bytes, but loaded whole before."""
    size = model_size({"model_type": "llama", **CONFIGS["llama"]}, "llama")
    plain = estimate(size, Plan(1, 16, 100, rank=2, skills=7, active_rank=8))
    half = estimate(size, Plan(1, 16, 100, rank=2, skills=7, active_rank=8, products="bfloat16"))
    assert plain.model_bytes - half.model_bytes == 2 * size.block_parameters
    assert half.activation_bytes == plain.activation_bytes
    assert half.memory_bytes == half.load_bytes == plain.model_bytes
    saved = 1600 * 4 * size.block_parameters * (1 - 1 / HALF_GAIN) / CPU_FLOPS_PER_CORE / 2
    assert plain.seconds - half.seconds == pytest.approx(saved)
    card = estimate(size, Plan(1, 16, 100, 2, 7, 8, dtype="bfloat16", device="cuda", products="bfloat16"))
    assert card.seconds == estimate(size, Plan(1, 16, 100, 2, 7, 8, dtype="bfloat16", device="cuda")).seconds


def test_the_processor_is_asked_as_training_asks_torch():
    from core.training.device import cpu_has_bfloat16

    assert multiplies_bfloat16() == cpu_has_bfloat16()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx512f avx512_bf16\nflags\t: fpu\n", True),
        ("flags : fpu amx_bf16 amx_tile\n", True),
        ("flags : fpu avx512f avx512_bf16x\n", False),
        ("", False),
    ],
)
def test_flags_of_a_processor(tmp_path, monkeypatch, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    processor.cpu_flags.cache_clear()
    assert multiplies_bfloat16() is expected
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "none")
    processor.cpu_flags.cache_clear()
    assert not multiplies_bfloat16()
    monkeypatch.undo()
    processor.cpu_flags.cache_clear()

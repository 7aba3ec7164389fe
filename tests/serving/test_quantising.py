"""Answers in fewer bits: close to the full ones, adapters unchanged, honest where it cannot be done."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from core.base.errors import ModelError, SettingError
from core.chat.loading import RunShelf
from core.chat.protocol import FULL, INT4, INT8, ask
from core.chat.quantising import PackedLinear, _int8_product, pack_linear, quantise_base, require_precision
from core.models.loading import load_base


def test_an_int8_layer_is_within_its_step(run_dir: Path) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(48, 32)
    x = torch.randn(3, 5, 48)
    wanted = linear(x)
    pack_linear(linear, _int8_product)
    assert type(linear) is PackedLinear
    assert (linear(x) - wanted).abs().max() < 0.02 * wanted.abs().max()
    few, many = torch.randn(2, 48), torch.randn(7, 48) * 30
    together = linear(torch.cat([few, many]))
    assert torch.equal(linear(few), together[:2])  # the other rows of a batch change nothing
    assert linear.weight.shape == (32, 48)
    assert linear.weight.untyped_storage().nbytes() == 4  # the wide weights are gone


def test_a_quantised_run_answers_nearly_like_the_full_one(run_dir: Path) -> None:
    """Logits are close (and not equal: it is really used); a second run on the base shares its packed weights."""
    shelf = RunShelf()
    full, small = shelf.get(str(run_dir)), shelf.get(str(run_dir), INT8)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        logits = [run.model(input_ids=ids, task_ids=[1]).logits for run in (full, small)]
    error = (logits[0] - logits[1]).abs().max() / logits[0].abs().max()
    assert 0 < error < 0.25  # the adapter's random numbers are large and blow rounding up
    layers = [module for module in small.base.model.modules() if isinstance(module, PackedLinear)]
    shared = [module for module in small.model.base.modules() if isinstance(module, PackedLinear)]
    assert len(layers) == len(shared) > 4
    assert all(a.packed is b.packed for a, b in zip(layers, shared, strict=True))
    for name, tensor in full.model.adapter.state_dict().items():
        assert torch.equal(tensor, small.model.adapter.state_dict()[name])


@pytest.mark.parametrize("method", ["lora", "ia3", "moe_lora", "private_lora"])
def test_every_method_stands_on_quantised_layers(tiny_llama_dir: Path, method: str) -> None:
    from core.models.building import build_modular
    from tests.serving.conftest import shake

    base = load_base(str(tiny_llama_dir))
    assert quantise_base(base, INT8) > 0
    model = build_modular(base, method, None, 2)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        before = model(input_ids=ids, task_ids=[1]).logits
        shake(model)
        after = model(input_ids=ids, task_ids=[1]).logits
    assert torch.isfinite(after).all()
    assert (before - after).abs().max() > 1e-4


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is optional")
def test_four_bits_where_bitsandbytes_is_there(run_dir: Path) -> None:
    shelf = RunShelf()
    full, small = shelf.get(str(run_dir)), shelf.get(str(run_dir), INT4)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        logits = [run.model(input_ids=ids, task_ids=[1]).logits for run in (full, small)]
    assert 0 < (logits[0] - logits[1]).abs().max() / logits[0].abs().max() < 0.5


def test_what_cannot_be_done_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    require_precision(FULL, "cpu")
    with pytest.raises(ModelError, match="bitsandbytes"):
        require_precision(INT4, "cpu")
    with pytest.raises(ModelError, match="bitsandbytes"):
        require_precision(INT8, "cuda")
    with pytest.raises(SettingError, match="int3"):
        ask("run", "task", "text", precision="int3")

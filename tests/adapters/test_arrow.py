"""Arrow: prototypes, routing and outputs as PEFT's own layer has them, on libraries of uneven LoRAs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft.tuners.lora.arrow import ArrowLoraLinearLayer
from torch import nn

from core.adapters.base import LoraFactors
from core.adapters.call import AdaptedLinear
from core.adapters.methods.lora_library import first_direction
from core.models.building import build_modular
from core.models.modular import ModularModel
from tests.adapters.contract import TASKS, base_logits, logits
from tests.adapters.test_references import load, numbers, recorded


def drawn_library(model: ModularModel, ranks: list[int]) -> list[LoraFactors]:
    draw = torch.Generator().manual_seed(3)
    return [
        {
            site.name: (
                0.3 * torch.randn(rank, site.in_features, generator=draw),
                0.3 * torch.randn(site.out_features, rank, generator=draw),
            )
            for site in model.adapter.sites
        }
        for rank in ranks
    ]


def arrow_model(bench: Any, architecture: str, library_of: list[int], **settings: Any) -> tuple[Any, Any]:
    config = {"num_experts": len(library_of), "rank": max(library_of), **settings}
    model = build_modular(bench.base(architecture), "lora_library", config, 3).eval()
    library = drawn_library(model, library_of)
    model.adapter.take_library(library)
    return model, library


def pefts_change(x: torch.Tensor, pairs: list[tuple[torch.Tensor, torch.Tensor]], top: int, heat: float) -> Any:
    names = [f"task_{i}" for i in range(len(pairs))]
    config = SimpleNamespace(
        top_k=top,
        router_temperature=heat,
        rng_seed=0,
        task_adapter_names=names,
        gks_adapter_names=[],
        use_gks=False,
    )
    layer = ArrowLoraLinearLayer(x.shape[-1], config)
    layer.top_right_singular_vec_from_BA = lambda a, b: longer(a, b)  # 15 steps of its iteration are not exact
    downs = {name: SimpleNamespace(weight=down) for name, (down, _) in zip(names, pairs, strict=True)}
    ups = {name: SimpleNamespace(weight=up) for name, (_, up) in zip(names, pairs, strict=True)}
    layer.build_prototypes(downs, ups)
    return layer(x, downs, ups, nn.Identity(), dict.fromkeys(names, 1.0))


def longer(down: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    layer = SimpleNamespace(rng_seed=0)
    return ArrowLoraLinearLayer.top_right_singular_vec_from_BA(layer, down, up, iters=3000)


def test_a_prototype_is_the_first_right_singular_vector() -> None:
    draw = torch.Generator().manual_seed(1)
    for rank in (1, 2, 5):
        down, up = torch.randn(rank, 7, generator=draw), torch.randn(6, rank, generator=draw)
        found = first_direction(down, up)
        expected = torch.linalg.svd(up @ down)[2][0]
        assert abs(float(found @ expected)) == pytest.approx(1, abs=1e-5)
        assert abs(float(found @ longer(down, up))) == pytest.approx(1, abs=1e-4)
    assert not first_direction(torch.randn(2, 7), torch.zeros(6, 2)).any()


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize(("top", "heat"), [(1, 1.0), (2, 0.5), (3, 2.0)])
def test_every_layer_changes_as_pefts_does(bench: Any, architecture: str, top: int, heat: float) -> None:
    """The number of LoRAs a token, the temperature, and experts of one rank beside those that are filled up."""
    model, library = arrow_model(bench, architecture, [2, 4, 4], experts_a_token=top, likeness_temperature=heat)
    batch = bench.batch(architecture)
    with recorded(model, AdaptedLinear) as seen, torch.no_grad():
        model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS)
    filled = [
        {
            n: (nn.functional.pad(a, (0, 0, 0, 4 - len(a))), nn.functional.pad(b, (0, 4 - len(a))))
            for n, (a, b) in one.items()
        }
        for one in library
    ]
    for site in model.adapter.sites[::3]:
        x, y = seen[site.name]
        base = model.base.get_submodule(site.name).inner(x)
        expected = pefts_change(x, [one[site.name] for one in filled], top, heat)
        torch.testing.assert_close(y - base, expected, rtol=1e-2, atol=2e-3 * float(expected.abs().max()))
    pairs = [tuple(numbers(part) for part in one[site.name]) for one in library]  # of the last of them, exactly
    weight = numbers(model.base.get_submodule(site.name).inner.weight)
    dense = load("family_dense").arrow(numbers(x[0]), weight, None, pairs, (top, heat))
    np.testing.assert_allclose(numbers(y[0]), dense, atol=1e-4 * np.abs(dense).max())


def test_an_expert_that_leaves_a_layer_alone_adds_nothing_there(bench: Any) -> None:
    model = build_modular(bench.base("llama"), "lora_library", {"num_experts": 2, "rank": 2}, 2).eval()
    whole, empty = drawn_library(model, [2, 2])
    model.adapter.take_library([{}, {name: (a[:0], b[:, :0]) for name, (a, b) in empty.items()}])
    batch = bench.batch("llama")
    assert torch.equal(logits(model, batch, [0, 1, 0, 1]), base_logits(bench, "llama"))
    model.adapter.take_library([whole, {}])
    assert not torch.equal(logits(model, batch, [0, 1, 0, 1]), base_logits(bench, "llama"))
    assert torch.equal(logits(model, batch, [0] * 4), logits(model, batch, [1] * 4))  # it knows no tasks

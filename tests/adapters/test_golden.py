"""C-Poly and its family against a dense float64 reference (tests/references/cpoly_dense.py) and fixed numbers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from core.adapters.base import build_adapter
from core.adapters.call import build_call, enter_call
from core.adapters.parts.skills import SkillAdapter
from core.models.building import unwrap

# Printed by: python tests/references/cpoly_dense.py
GOLDEN = {
    ("sum", 0): [1.812309030097, 1.24923612039, 1.781536454854, -3.187690969903],
    ("sum", 1): [0.761594155956, 4.046376623823, 0.357608766066, -1.738405844044],
    ("mix", 0): [4.097867032669, 0.525657045527, 5.05682369952, 0.648667949557],
    ("mix", 1): [5.530292980221, 4.969801711657, 0.282321219291, 0.253708164086],
}
CONFIGS = {
    "default": {},
    "mix": {"combine": "mix", "rank": 3},
    "learnable": {"private_block": "learnable", "num_private_skills": 2},
    "heads-sum": {"routing_heads": 4},
    "heads-mix": {"routing_heads": 4, "combine": "mix", "private_block": "learnable"},
    "model": {"granularity": "model"},
    "private only": {"num_common_skills": 0},
    "common only": {"num_private_skills": 0},
    "one layer": {"target_modules": "o_proj,o", "upper_share": 0.5},
}


def reference() -> ModuleType:
    path = Path(__file__).parents[1] / "references" / "cpoly_dense.py"
    spec = importlib.util.spec_from_file_location("cpoly_dense", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["cpoly_dense"] = module
    spec.loader.exec_module(module)
    return module


class OneLayer(nn.Module):
    """The smallest model with a block: one linear layer of two inputs and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        block = nn.Module()
        block.proj = nn.Linear(2, 2, bias=False)
        self.layers = nn.ModuleList([block])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[0].proj(x)


@pytest.mark.parametrize("kernel", ["fused", "plain"])
@pytest.mark.parametrize(("combine", "task"), GOLDEN)
def test_fixed_numbers(combine, task, kernel):
    model = OneLayer().double()
    config = {"num_common_skills": 2, "rank": 1, "combine": combine, "kernel": kernel}
    adapter = build_adapter(model, "cpoly", config, 2, 0).double().eval()
    adapter.load_state_dict(
        {
            "bank.common": torch.tensor([[1.0, 2.0, 3.0, -1.0], [0.5, -1.0, 2.0, 4.0]]),
            "bank.private.0": torch.tensor([[1.0, 0.0, 0.0, 1.0]]),
            "bank.private.1": torch.tensor([[2.0, 1.0, -1.0, 0.5]]),
            "router.logits": torch.tensor([[[0.0, 1.0], [2.0, -2.0]]]),
        }
    )
    call = build_call([task, 1 - task], 2, torch.device("cpu"), training=False)
    adapter.prepare(call)
    with enter_call(call), torch.no_grad():
        outputs = model(torch.eye(2, dtype=torch.double).expand(2, -1, -1))
    base = model.layers[0].proj.inner.weight.detach()
    change = outputs[0].T - base
    np.testing.assert_allclose(change.ravel().numpy(), GOLDEN[combine, task], atol=1e-10)


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize("name", CONFIGS)
def test_logits_equal_the_dense_reference(bench, architecture, name):
    config = dict(CONFIGS[name])
    if "target_modules" in config:
        config["target_modules"] = "o_proj" if architecture == "llama" else "o"
    base = bench.base(architecture)
    base.model.double()
    from core.models.building import build_modular

    model = build_modular(base, "cpoly", config, 3).eval()
    model.adapter.double()
    from tests.adapters.conftest import shake

    shake(model)
    adapter = model.adapter
    assert isinstance(adapter, SkillAdapter)
    batch = bench.batch(architecture)
    shapes = adapter.bank.shapes
    layout = reference().Layout(
        [(s.in_features, s.out_features, s.members) for s in shapes],
        adapter.config.rank,
        adapter.config.combine,
        adapter.counts.heads,
    )
    tensors = {k: v.detach().numpy() for k, v in adapter.state_dict().items()}
    with torch.no_grad():
        mixed = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=[2, 1, 0, 2]).logits
        unwrap(model.base)
        for task, rows in ((0, [2]), (1, [1]), (2, [0, 3])):
            merged = bench.base(architecture).model.double()
            for site, change in zip(adapter.sites, reference().dense_changes(tensors, layout, task), strict=True):
                merged.get_submodule(site.name).weight += torch.from_numpy(change)
            logits = merged(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels
            ).logits
            error = (mixed[rows] - logits[rows]).abs().max() / logits[rows].abs().max()
            assert error < 1e-6, task  # the norms of the base model compute in float32


def test_allocation_is_the_reference(bench):
    model = bench.model("llama", "cpoly", {"num_private_skills": 2})
    tensors = {k: v.detach().numpy() for k, v in model.adapter.state_dict().items()}
    allocation = model.allocation()
    for layer in (0, 5):
        for task in range(3):
            expected = reference().mixing_weights(tensors, layer, task, 2)
            np.testing.assert_allclose(allocation[layer, task], expected, rtol=1e-5)

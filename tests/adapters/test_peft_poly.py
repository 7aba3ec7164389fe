"""Polytropon and multi-head routing against PEFT's own Poly layer with the same numbers: a referee that we did not
write. PEFT computes the mixed form, (1/r) (sum of w B) (sum of w A), with the layer's inputs and outputs cut into
heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from peft import PolyConfig
from peft.tuners.poly.layer import Linear as PeftPoly

from core.adapters.call import AdaptedLinear
from core.adapters.parts.skills import SkillAdapter
from tests.adapters.test_references import ARCHITECTURES, TASKS, close, double_model, numbers, recorded, run, split


@pytest.mark.parametrize(
    ("method", "config"),
    [
        ("poly", {"combine": "mix", "num_common_skills": 3}),
        ("poly", {"combine": "mix", "granularity": "model", "rank": 3}),
        ("mhr", {"routing_heads": 2}),
        ("mhr", {"routing_heads": 4, "rank": 1}),
    ],
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_layer_answers_as_pefts_does(
    bench: Any, architecture: str, method: str, config: dict[str, Any]
) -> None:
    model = double_model(bench, architecture, method, config)
    adapter = model.adapter
    assert isinstance(adapter, SkillAdapter)
    with recorded(model, AdaptedLinear) as seen:
        run(model, bench, architecture)
    skills = split(adapter, adapter.bank.common, adapter.options.rank)
    logits = numbers(adapter.state_dict()["router.logits"])
    for position, site in enumerate(adapter.sites):
        inner = model.base.get_submodule(site.name).inner
        judge = peft_layer(inner, [skill[position] for skill in skills], rows_of(logits, position, adapter))
        x, y = seen[site.name]
        with torch.no_grad():
            close(y, numbers(judge(x.clone(), task_ids=torch.tensor(TASKS))))


def rows_of(logits: np.ndarray, position: int, adapter: SkillAdapter) -> np.ndarray:
    """A layer's logits [heads, T, S]; one allocation for the model has one for all layers."""
    heads = adapter.counts.heads
    first = 0 if len(logits) == heads else position * heads
    return logits[first : first + heads]


def peft_layer(
    inner: torch.nn.Linear, factors: list[tuple[np.ndarray, np.ndarray]], logits: np.ndarray
) -> PeftPoly:
    """PEFT's layer of the same numbers. factors: (A [r, i], B [o, r]) of each skill; logits [heads, T, S]."""
    heads, tasks, skills = logits.shape
    config = PolyConfig(r=len(factors[0][0]), n_tasks=tasks, n_skills=skills, n_splits=heads)
    layer = PeftPoly(inner, "default", config).double().eval()
    for s, (a, b) in enumerate(factors):
        for head, (inputs, outputs) in enumerate(
            zip(np.split(a, heads, axis=1), np.split(b, heads, axis=0), strict=True)
        ):
            layer.poly_lora_A["default"].data[head, s] = torch.from_numpy(inputs.T.copy())
            layer.poly_lora_B["default"].data[head, s] = torch.from_numpy(outputs.T.copy())
    routed = torch.from_numpy(logits.transpose(1, 0, 2).reshape(tasks, heads * skills).copy())
    layer.poly_router["default"].module_logits.data = routed
    return layer

"""Answers as a mixture of tasks: the mixing weights are sum_t q_t alpha_t, and one certain task is that task."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.adapters.blending import build_blended_call
from core.adapters.call import AdaptedLinear, build_call, enter_call
from core.adapters.registry import METHODS
from core.base.errors import ModelError
from core.models.modular import ModularModel

ARCHITECTURES = ("llama", "t5")
# Their term is linear in what a task mixes: a layer's term of a mixture is the mixture of the terms.
LINEAR: dict[str, tuple[str, dict[str, Any]]] = {
    "cpoly": ("cpoly", {}),
    "cpoly-plain": ("cpoly", {"kernel": "plain"}),
    "poly": ("poly", {}),
    "cpoly-learnable": ("cpoly", {"private_block": "learnable", "granularity": "model"}),
    "cpoly-wide": ("cpoly", {"rank": 8, "num_private_skills": 2}),
    "private_lora": ("private_lora", {}),
    "ia3": ("ia3", {}),
}
MIXED = [{0: 0.7, 2: 0.3}, {1: 1.0}, {0: 0.2, 1: 0.5, 2: 0.3}, {2: 3.0, 1: 1.0}]  # shares are made to sum to one


def run(model: ModularModel, batch: Any, call: Any) -> torch.Tensor:
    call.prompt_mask = batch.attention_mask
    model.adapter.prepare(call)
    with torch.no_grad(), enter_call(call):
        return model.base(batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels).logits


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("method", METHODS.names())
def test_a_certain_task_is_that_task(bench: Any, architecture: str, method: str) -> None:
    model, batch = bench.model(architecture, method), bench.batch(architecture)
    model.set_stage(model.adapter.num_stages)
    tasks, mask = [0, 2, 1, 2], batch.attention_mask
    with torch.no_grad():
        named = model(batch.input_ids, mask, batch.labels, task_ids=tasks, prompt_mask=mask)
    found = run(model, batch, build_blended_call([{task: 1.0} for task in tasks], 3, model.device))
    assert torch.allclose(found, named.logits, atol=2e-5 * float(named.logits.abs().max()))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", LINEAR)
def test_a_layer_adds_the_mixture_of_what_the_tasks_add(bench: Any, architecture: str, name: str) -> None:
    method, settings = LINEAR[name]
    model = bench.model(architecture, method, settings)
    layer = next(m for m in model.modules() if isinstance(m, AdaptedLinear))
    x = torch.randn(len(MIXED), 5, layer.weight.shape[1], generator=torch.Generator().manual_seed(1))

    def output(call: Any) -> torch.Tensor:
        model.adapter.prepare(call)
        with torch.no_grad(), enter_call(call):
            return layer(x)

    by_task = [output(build_call([task] * len(MIXED), 3, model.device, training=False)) for task in range(3)]
    mixed = output(build_blended_call(MIXED, 3, model.device))
    assert (by_task[0] - by_task[2]).abs().max() > 1e-2  # the tasks do differ
    for row, shares in enumerate(MIXED):
        total = sum(shares.values())
        expected = sum(share / total * by_task[task][row] for task, share in shares.items())
        assert torch.allclose(mixed[row], expected, atol=1e-4)


@pytest.mark.parametrize("method", ["mta", "cpoly"])
def test_a_mixture_lies_between_its_tasks(bench: Any, method: str) -> None:
    model, batch = bench.model("llama", method), bench.batch("llama")
    model.set_stage(model.adapter.num_stages)
    first, second = (run(model, batch, build_call([t] * 4, 3, model.device, training=False)) for t in (0, 1))
    half = run(model, batch, build_blended_call([{0: 0.5, 1: 0.5}] * 4, 3, model.device))
    apart = (first - second).norm()
    assert 0.1 * apart < (half - first).norm() < apart
    assert 0.1 * apart < (half - second).norm() < apart


@pytest.mark.parametrize("blends", [[{0: 1.0}, {}], [], [{0: 0.5, 7: 0.5}], [{-1: 1.0}]])
def test_nothing_and_unknown_tasks_are_refused(blends: list[dict[int, float]]) -> None:
    with pytest.raises(ModelError):
        build_blended_call(blends, 3, torch.device("cpu"))

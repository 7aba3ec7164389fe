"""A change of one task's mixture does what it says to that task, and nothing to any other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.adapters.registry import METHODS
from core.adapters.task_change import TaskChange
from core.base.errors import ModelError, SettingError

CHANGEABLE = ("cpoly", "poly", "mhr", "private_lora", "taps")


def filled(bench, method: str, config: dict | None = None):
    """A model whose skills do something."""
    model = bench.model("llama", method, config or {}, tasks=3)
    with torch.no_grad():
        for index, parameter in enumerate(model.adapter.parameters()):
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index)))
    return model.eval()


@torch.no_grad()
def logits(model, task: int) -> torch.Tensor:
    return model(torch.arange(5, 15)[None], task_ids=[task]).logits


@pytest.mark.parametrize("method", CHANGEABLE)
def test_a_borrowed_row_answers_as_the_other_task_and_others_stay_bit_equal(bench, method) -> None:
    model = filled(bench, method)
    before = [logits(model, task) for task in range(3)]
    model.adapter.change_task(0, TaskChange(row_of=2))
    torch.testing.assert_close(logits(model, 0), before[2])
    assert torch.equal(logits(model, 1), before[1])
    assert torch.equal(logits(model, 2), before[2])


@pytest.mark.parametrize("config", [{}, {"granularity": "model"}, {"combine": "mix"}, {"routing_heads": 2}])
def test_common_weights_are_scaled_and_sum_to_one_again(bench, config) -> None:
    model = filled(bench, "cpoly", config)
    before, others = model.adapter.allocation(), logits(model, 1)
    model.adapter.change_task(0, TaskChange(scale={0: 0.5, 2: 0.0}))
    wanted = before[:, 0, :3] * np.array([0.5, 1.0, 0.0])
    found = model.adapter.allocation()[:, 0, :3]
    np.testing.assert_allclose(found, wanted / wanted.sum(-1, keepdims=True), atol=1e-5)
    assert np.all(found[:, 2] == 0.0)
    assert torch.equal(logits(model, 1), others)


def test_a_factor_far_above_one_is_the_ratio_that_was_asked_for(bench) -> None:
    model = filled(bench, "cpoly")
    before = model.adapter.allocation()[:, 0, :3]
    model.adapter.change_task(0, TaskChange(scale={1: 4.0}))
    found = model.adapter.allocation()[:, 0, :3]
    np.testing.assert_allclose(found[:, 1] / found[:, 0], 4 * before[:, 1] / before[:, 0], rtol=1e-3)


@pytest.mark.parametrize("combine", ["sum", "mix"])
def test_a_private_skill_at_zero_is_the_same_as_switched_off(bench, combine) -> None:
    model = filled(bench, "cpoly", {"combine": combine})
    own = model.adapter.skills().index(next(s for s in model.adapter.skills() if s.task == 1))
    with model.adapter.switch_off(own):
        without, other = logits(model, 1), logits(model, 0)
    model.adapter.change_task(1, TaskChange(scale={own: 0.0}))
    torch.testing.assert_close(logits(model, 1), without)
    assert torch.equal(logits(model, 0), other)


def test_a_private_skill_at_half_adds_half(bench) -> None:
    model = filled(bench, "private_lora")
    down, up = next(iter(model.adapter.lora_factors(1).values()))
    model.adapter.change_task(1, TaskChange(scale={1: 0.5}))
    after_down, after_up = next(iter(model.adapter.lora_factors(1).values()))
    torch.testing.assert_close(after_up @ after_down, 0.5 * (up @ down))


def test_everything_common_off_leaves_the_tasks_own_skill(bench) -> None:
    model = filled(bench, "cpoly")
    model.adapter.change_task(0, TaskChange(scale=dict.fromkeys(range(3), 0.0)))
    assert np.all(model.adapter.allocation()[:, 0, :3] == 0.0)
    assert torch.isfinite(logits(model, 0)).all()


@pytest.mark.parametrize("method", [name for name in METHODS.names() if name not in CHANGEABLE])
def test_other_methods_refuse_in_words(bench, method) -> None:
    with pytest.raises(ModelError, match="cannot be changed one by one"):
        bench.model("llama", method, {}, tasks=2).adapter.change_task(0, TaskChange(row_of=1))


@pytest.mark.parametrize("factor", [-1.0, 4.5, float("nan")])
def test_factors_out_of_bounds_are_refused(factor) -> None:
    with pytest.raises(SettingError):
        TaskChange(scale={0: factor})

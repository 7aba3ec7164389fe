"""Adding a task leaves the old ones bit-equal; pruning; what a method's tasks become when they leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.registry import METHODS
from core.base.errors import ModelError
from core.models.building import load_adapter, save_adapter

OWN = ["cpoly", "poly", "mhr", "private_lora", "ia3", "mta", "task_moe", "taps"]


def logits(model: Any, batch: Any, tasks: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks).logits


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("like", [None, 1])
@pytest.mark.parametrize("method", METHODS.names())
def test_old_tasks_answer_bit_for_bit_as_before(bench, architecture, method, like, stage, tmp_path):
    if stage > len(METHODS.get(method).stages):
        stage = 1
    model = bench.model(architecture, method, stage=stage)
    batch = bench.batch(architecture)
    before = [logits(model, batch, [0, 1, 2, 0]), logits(model, batch, [1, 1, 1, 1])]
    assert model.add_task("new", like) == 3
    assert torch.equal(logits(model, batch, [0, 1, 2, 0]), before[0])
    assert torch.equal(logits(model, batch, [1, 1, 1, 1]), before[1])
    logits(model, batch, [3, 3, 0, 1])
    assert model.allocation().shape[1] == 4
    with pytest.raises(ModelError):
        logits(model, batch, [4, 0, 0, 0])
    save_adapter(model, tmp_path / "adapter")
    loaded = load_adapter(bench.base(architecture), tmp_path / "adapter")
    assert loaded.tasks[-1] == "new"
    assert torch.equal(logits(loaded, batch, [3, 1, 2, 0]), logits(model, batch, [3, 1, 2, 0]))


@pytest.mark.parametrize("method", OWN)
def test_what_a_new_task_starts_from_follows_from_the_seed(bench, method):
    def grown(state: int, seed: int) -> dict[str, torch.Tensor]:
        model = bench.model("llama", method)
        torch.manual_seed(state)  # what was drawn before does not matter
        model.add_task("new", seed=seed)
        return model.adapter.state_dict()

    first, again = grown(1, 5), grown(2, 5)
    assert all(torch.equal(first[name], again[name]) for name in first)
    if method in ("cpoly", "private_lora"):  # draw skills of the task's own
        other = grown(1, 6)
        assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize("with_private", [True, False])
@pytest.mark.parametrize("method", OWN)
def test_training_the_new_task_alone(bench, architecture, method, with_private):
    config = {"noise": False} if method in ("cpoly", "poly", "mhr") else {}
    model = bench.model(architecture, method, config)
    batch = bench.batch(architecture)
    before = logits(model, batch, [0, 1, 2, 0])
    task = model.add_task("new")
    if not with_private and method in ("private_lora", "ia3"):
        model.adapter.train_only_task(task)
        return
    groups = model.adapter.train_only_task(task, with_private)
    optimizer = torch.optim.AdamW([p for ps in groups.values() for p in ps], lr=0.1, weight_decay=0.0)
    model.train()
    losses = []
    for _ in range(8):
        loss = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=[task] * 4).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    model.eval()
    assert torch.equal(logits(model, batch, [0, 1, 2, 0]), before)


def test_methods_without_anything_of_a_task_say_so(bench):
    for method in ("lora", "adalora", "moe_lora", "lora_library"):
        model = bench.model("llama", method)
        with pytest.raises(ModelError, match="nothing of a task's own"):
            model.adapter.train_only_task(0)


def test_copied_row_answers_like_its_model(bench):
    model = bench.model("llama", "poly")
    batch = bench.batch("llama")
    model.add_task("twin", like=2)
    assert torch.equal(logits(model, batch, [3] * 4), logits(model, batch, [2] * 4))


def test_pruning_switches_small_weights_off(bench):
    model = bench.model("llama", "cpoly", {"num_common_skills": 4})
    with torch.no_grad():
        model.adapter.router.logits *= 10
    before = model.allocation()
    small = (before[..., :4] < 0.2) & (before[..., :4] < before[..., :4].max(-1, keepdims=True))
    assert small.any()
    assert model.adapter.prune(0.2) == small.sum()
    after = model.allocation()
    assert not after[..., :4][small].any()
    np.testing.assert_allclose(after[..., :4].sum(-1), 1.0, rtol=1e-5)
    assert model.adapter.prune(0.2) < small.sum()
    ranks = {down.shape[0] for down, _ in model.adapter.lora_factors(0).values()}
    assert min(ranks) < (4 + 1) * 2
    model.train()
    batch = bench.batch("llama")
    loss = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=[0, 1, 2, 0]).loss
    loss.backward()
    assert model.adapter.router.logits.grad.isfinite().all()
    model.eval()
    assert not model.allocation()[..., :4][small].any()


def test_pruning_everything_keeps_one_skill(bench):
    model = bench.model("llama", "poly")
    model.adapter.prune(1.1)
    np.testing.assert_array_equal((model.allocation() > 0).sum(-1), 1)

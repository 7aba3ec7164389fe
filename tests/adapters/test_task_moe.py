"""Task-based MoE: what the gate depends on, and that a new task learns by its embedding alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.call import build_call, enter_call
from core.base.errors import SettingError
from core.models.modular import ModularModel
from tests.adapters.contract import TASKS, logits


def gates_of(model: ModularModel, batch: Any, tasks: list[int]) -> list[torch.Tensor]:
    """[b, G, M] of every group."""
    call = build_call(tasks, model.adapter.num_tasks, model.device, training=False)
    call.prompt_mask = batch.attention_mask
    model.adapter.prepare(call)
    with torch.no_grad(), enter_call(call):
        model.base(batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels)
    return [call.memory[group] for group in sorted(call.memory)]


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_without_reading_all_questions_of_a_task_are_mixed_alike(bench, architecture):
    model, batch = bench.model(architecture, "task_moe"), bench.batch(architecture)
    read = gates_of(model, batch, TASKS)
    alike = [torch.equal(gate[1], gate[3]) for gate in read]  # both are of task 2
    # A decoder's first layers read the start token before they attend to the question.
    assert sum(alike) == (3 if architecture == "t5" else 0)
    with torch.no_grad():
        for reader in model.adapter.readers:
            reader.zero_()
    for gate in gates_of(model, batch, TASKS):
        assert torch.equal(gate[1], gate[3])
        assert (gate[0] - gate[2]).abs().max() > 1e-4  # tasks 0 and 1
        torch.testing.assert_close(gate.sum(-1), torch.ones(gate.shape[:-1]))


def test_a_run_starts_as_a_mixture_by_task(bench):
    model, batch = bench.model("llama", "task_moe", shaken=False), bench.batch("llama")
    assert all(torch.equal(gate[1], gate[3]) for gate in gates_of(model, batch, TASKS))


def test_a_new_task_that_is_an_old_one_comes_to_its_row(bench):
    """Taught by the old task's own answers, its embedding alone leads to the same mixture and the same answers."""
    model, batch = bench.model("llama", "task_moe", {"pool_size": 3, "task_size": 4}), bench.batch("llama")
    wanted, mixed = logits(model, batch, [1] * 4).softmax(-1), gates_of(model, batch, [1] * 4)
    new = model.add_task("new")
    before = [p.detach().clone() for p in model.adapter.parameters()]
    (groups,) = [g for g in model.adapter.train_only_task(new).values() if g]
    assert [id(p) for p in groups] == [id(model.adapter.tasks[new])]
    optimizer = torch.optim.Adam(groups, lr=0.05)

    def apart() -> float:
        pairs = zip(mixed, gates_of(model, batch, [new] * 4), strict=True)
        return float(np.mean([(a - b).abs().mean() for a, b in pairs]))

    first = apart()
    for _ in range(80):
        found = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=[new] * 4).logits
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(found.flatten(0, 1), wanted.flatten(0, 1)).backward()
        optimizer.step()
    assert apart() < 0.2 * first
    after = list(model.adapter.parameters())
    assert sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == 1


def test_the_gate_is_decided_once_for_an_answer(bench):
    model, batch = bench.model("llama", "task_moe"), bench.batch("llama")
    call = build_call(TASKS, 3, model.device, training=False)
    call.prompt_mask = batch.attention_mask
    model.adapter.prepare(call)
    with torch.no_grad(), enter_call(call):
        model.base(batch.input_ids, attention_mask=batch.attention_mask)
        kept = [gate.clone() for gate in call.memory.values()]
        model.base(batch.input_ids.flip(1)[:, :1])
    assert all(torch.equal(a, b) for a, b in zip(kept, call.memory.values(), strict=True))


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_parameter_count(bench, architecture):
    model = bench.model(architecture, "task_moe", {"rank": 4, "task_size": 6}, tasks=5)
    sites = model.adapter.sites
    width, inputs = sum(s.in_features + s.out_features for s in sites), sum(s.in_features for s in sites)
    assert model.adapter.num_parameters() == 3 * 4 * width + 3 * (inputs + 6 * len(sites)) + 5 * 6
    assert len(model.adapter.skills()) == 3  # half of five tasks


@pytest.mark.parametrize("settings", [{"pool_size": 1}, {"pool_size": 65}, {"task_size": 0}, {"balance": -1.0}])
def test_settings_out_of_bounds_are_refused(bench, settings):
    with pytest.raises(SettingError):
        bench.model("llama", "task_moe", settings)


def test_a_pool_smaller_than_the_tasks_learns_what_contradicts_itself(bench):
    from tests.adapters.test_toy import accuracies

    assert min(accuracies(bench, "llama", "task_moe", {})) >= 0.95

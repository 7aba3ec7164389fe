"""TAPS: a layer is on or off by its score, the step is passed straight through, the price switches layers off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.call import AdaptedLinear
from core.base.errors import SettingError
from core.models.modular import ModularModel
from core.runs.plan_fixes import Planned, plan_fixes
from core.training.checks import check_run
from core.training.config import change_config
from core.training.plan import load_run_dataset
from tests.adapters.contract import TASKS, base_logits, logits, same
from tests.adapters.test_references import TASKS as ASKED
from tests.adapters.test_references import close, double_model, load, numbers, recorded, run, split
from tests.adapters.test_toy import answer_logits, questions
from tests.toy_project import build_toy_project, quick_config

TOO_SHORT = "check.too_short_to_choose"


def set_scores(model: ModularModel, task: int, values: float | torch.Tensor) -> None:
    with torch.no_grad():
        model.adapter.scores[task].copy_(100 * torch.as_tensor(values))


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_every_layer_is_the_dense_formulas(bench, architecture):
    """Every layer for a mixed batch, some on and some off for each task."""
    model = double_model(bench, architecture, "taps", {"rank": 3})
    adapter = model.adapter
    draw = torch.Generator().manual_seed(0)
    for task in range(3):
        set_scores(model, task, 0.2 * torch.rand(len(adapter.sites), generator=draw, dtype=torch.float64))
    with recorded(model, AdaptedLinear) as seen:
        run(model, bench, architecture)
    for row, task in enumerate(ASKED[:3]):
        (own,) = split(adapter, adapter.bank.private[task], 3)
        scores = (numbers(adapter.scores[task]) / 100).tolist()
        assert min(scores) < 0.1 < max(scores)
        for position, site in enumerate(adapter.sites):
            x, y = seen[site.name]
            weight = numbers(model.base.get_submodule(site.name).inner.weight)
            given = (own[position], scores[position], scores)
            close(y[row], load("family_dense").taps(numbers(x[row]), weight, None, *given))


@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_a_layer_that_is_off_is_the_base_models(bench, architecture):
    """All scores below the threshold but one, whose adapter is zero: the base model. Other tasks do not notice."""
    model, batch = bench.model(architecture, "taps"), bench.batch(architecture)
    other = logits(model, batch, [1] * 4)
    scores = torch.full((len(model.adapter.sites),), 0.0999)
    scores[3] = 0.1001
    set_scores(model, 0, scores)
    on = model.allocation()[:, 0, 0]
    assert (on.sum(), on[3]) == (1.0, 1.0)
    factors = model.adapter.lora_factors(0)
    assert [name for name, (down, _) in factors.items() if len(down)] == [model.adapter.sites[3].name]
    assert not same(logits(model, batch, [0] * 4), base_logits(bench, architecture), 1e-4)
    scores[3] = 0.0
    set_scores(model, 0, scores * 0.5)  # a task keeps its best layer, here all equal ones
    assert model.allocation()[:, 0, 0].sum() == len(model.adapter.sites) - 1
    with torch.no_grad():
        model.adapter.bank.private[0].zero_()
    assert torch.equal(logits(model, batch, [0] * 4), base_logits(bench, architecture))
    assert torch.equal(logits(model, batch, [1] * 4), other)


@pytest.mark.parametrize("kernel", ["fused", "plain"])
def test_the_gradient_of_a_score_is_that_of_its_layers_change(bench, kernel):
    """dL/ds = <dL/dw, dw>, on and off: by finite differences of the layer's change in the running model."""
    model, batch = double_model(bench, "llama", "taps", {"kernel": kernel}), bench.batch("llama")
    scores = torch.full((len(model.adapter.sites),), 0.15)
    scores[2] = 0.05
    set_scores(model, 2, scores)

    def loss(factor: float, layer: int) -> float:
        gates = model.adapter.gates

        def moved(tasks: list[int]) -> torch.Tensor:
            found = gates(tasks).detach().clone()
            found[tasks.index(2), layer] += factor
            return found

        model.adapter.gates = moved
        with torch.no_grad():
            found = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=[2] * 4).loss
        model.adapter.gates = gates
        return float(found)

    model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=[2] * 4).loss.backward()
    for layer in (2, 5):
        expected = (loss(1e-3, layer) - loss(-1e-3, layer)) / 2e-3 / 100
        assert float(model.adapter.scores[2].grad[layer]) == pytest.approx(expected, rel=0.01)
    assert model.adapter.scores[0].grad is None


def trained(bench: Any, price: float) -> tuple[float, float]:
    """(share of layers that are on, share of right answers) of two tasks that contradict each other."""
    model = bench.model("llama", "taps", {"layer_penalty": price, "warm_up": 0.0}, tasks=2, shaken=False).train()
    inputs, answers = questions(model.config.vocab_size)
    groups = model.parameter_groups(1)
    rates = [{"params": groups["skills"], "lr": 1e-2}, {"params": groups["allocation"], "lr": 0.1}]
    optimizer = torch.optim.Adam(rates)
    both, tasks = torch.cat([inputs, inputs]), [0] * len(inputs) + [1] * len(inputs)
    for _ in range(120):
        penalties: list[torch.Tensor] = []
        found = model(both, task_ids=tasks, penalties=penalties, use_cache=False).logits[:, -1]
        optimizer.zero_grad()
        (torch.nn.functional.cross_entropy(found, answers.flatten()) + sum(penalties)).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = answer_logits(model, both, tasks).argmax(-1) == answers.flatten()
    own = model.allocation()[:, [0, 1], [0, 1]]
    return float(own.mean()), float(right.float().mean())


def test_fewer_layers_are_left_the_more_a_layer_costs(bench):
    (free, right), (dear, right_of_few) = trained(bench, 0.0), trained(bench, 30.0)
    assert right == 1.0
    assert dear < 0.5 * free
    assert right_of_few >= 0.75


def test_all_layers_learn_in_the_warm_up_and_nothing_is_paid(bench):
    model, batch = bench.model("llama", "taps", {"warm_up": 0.5}), bench.batch("llama")
    for task in range(3):
        set_scores(model, task, 0.0)
    model.train()
    penalties: list[torch.Tensor] = []
    model.adapter.trained_share = 0.4
    model(batch.input_ids, batch.attention_mask, task_ids=TASKS, penalties=penalties)
    assert penalties == []
    model.adapter.trained_share = 0.5
    model(batch.input_ids, batch.attention_mask, task_ids=TASKS, penalties=penalties)
    assert len(penalties) == 1


def test_parameter_count_and_scores(bench):
    model = bench.model("llama", "taps", {"rank": 3}, tasks=5, shaken=False)
    width = sum(s.in_features + s.out_features for s in model.adapter.sites)
    assert model.adapter.num_parameters() == 5 * 3 * width + 5 * len(model.adapter.sites)
    np.testing.assert_allclose(model.allocation_logits(), 0.15, rtol=1e-6)


@pytest.mark.parametrize("settings", [{"layer_penalty": -1.0}, {"warm_up": 1.0}, {"rank": 0}])
def test_settings_out_of_bounds_are_refused(bench, settings):
    with pytest.raises(SettingError):
        bench.model("llama", "taps", settings)


def test_a_training_too_short_to_choose_is_said_before_it_starts(tmp_path, tiny_llama):
    config = quick_config(tiny_llama, method="taps", learning_rate_allocation=0.1)
    dataset = load_run_dataset(build_toy_project(tmp_path, rows=40), config)
    plans = {steps: change_config(config, {"max_steps": steps}) for steps in (12, 400)}
    found = {steps: [p for p in check_run(c, dataset) if p.key == TOO_SHORT] for steps, c in plans.items()}
    assert found[400] == []
    (said,) = found[12]
    assert 150 < said.values["enough"] < 170  # steps that hold a task, from 0.15 to 0.1
    (fix,) = plan_fixes(said, Planned(plans[12], dataset))
    assert not [p for p in check_run(change_config(plans[12], fix.changes), dataset) if p.key == TOO_SHORT]

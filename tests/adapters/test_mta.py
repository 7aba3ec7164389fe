"""ALTER's Mixture-of-Task-Adapters: the numbers of the paper, its two stages, the gate in decoding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.methods.mta import MTAAdapter
from core.adapters.parts.usage import GateUsage
from core.adapters.settings.task_adapters import MTAConfig
from core.base.errors import ModelError
from core.models.modular import ModularModel
from core.training.config import RunConfig, skill_rate

ARCHITECTURES = ["llama", "t5"]
FORMS = ["light", "faithful"]


def forward(model: ModularModel, batch: Any, tasks: list[int]) -> Any:
    return model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks)


def test_selector_starts_with_the_papers_numbers(bench):
    """N = 5: a favoured pair at 0.2244 each, the others at 0.1837; pairs overlap."""
    alpha = bench.model("llama", "mta", tasks=4, shaken=False).allocation()[0]
    assert alpha.shape == (4, 5)
    for task in range(4):
        pair = sorted(np.argsort(alpha[task])[-2:])
        assert pair == [task, task + 1]
        np.testing.assert_allclose(alpha[task, pair], 0.2244, atol=5e-5)
        np.testing.assert_allclose(np.delete(alpha[task], pair), 0.1837, atol=5e-5)
    np.testing.assert_allclose(alpha.sum(-1), 1.0, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stage_one_is_the_sum_over_adapters(bench, architecture, form):
    """MTA(x, t) against the definition, adapter by adapter in float64."""
    model = bench.model(architecture, "mta", {"form": form})
    adapter = model.adapter
    assert isinstance(adapter, MTAAdapter)
    model.double()
    site = model.base.get_submodule(adapter.sites[-1].name)
    seen = {}
    site.register_forward_hook(lambda _, inputs, output: seen.update(x=inputs[0], y=output))
    with torch.no_grad():
        forward(model, bench.batch(architecture), [2, 0, 1, 1])
        x, tasks = seen["x"], [2, 0, 1, 1]
        logits = adapter.selector[-1].numpy()
        pool = adapter.pools[-1]
        for row, task in enumerate(tasks):
            e = np.exp(logits[task] / 0.1 - (logits[task] / 0.1).max())
            alpha = e / e.sum()
            expected = torch.zeros_like(x[row])
            for k, a in enumerate(alpha):
                if form == "faithful":
                    expected += a * pool.copies[k](x[row])
                else:
                    expected += a * (site.inner(x[row]) + x[row] @ pool.down[k].T @ pool.up[k].T)
            scale = expected.abs().max()
            assert (seen["y"][row] - expected).abs().max() < 2e-6 * scale  # faithful copies compute in float32


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stage_two_is_the_gated_sum(bench, architecture):
    """The gated sum with the pair renormalised and the gate of the paper, written out in numpy."""
    model = bench.model(architecture, "mta", {"num_shared": 2, "own_pair": True}, stage=2)
    adapter = model.adapter
    model.double()
    index = next(i for i, start in enumerate(adapter.reads_start) if not start)
    site = model.base.get_submodule(adapter.sites[index].name)
    seen = {}
    site.register_forward_hook(lambda _, inputs, output: seen.update(x=inputs[0], y=output))
    batch = bench.batch(architecture)
    with torch.no_grad():
        forward(model, batch, [2, 0, 1, 1])
    tokens = batch.attention_mask.bool()
    prompt = (tokens & (batch.labels == -100) if architecture == "llama" else tokens).numpy()
    state = {k: v.double().numpy() for k, v in adapter.state_dict().items()}
    for row, task in enumerate([2, 0, 1, 1]):
        x = seen["x"][row].numpy()
        with torch.no_grad():
            base = site.inner(seen["x"][row]).numpy()
        e = np.exp((state["selector"][index, task] - state["selector"][index, task].max()) / 0.1)
        whole = e / e.sum()
        alpha = np.where(whole >= np.sort(whole)[-2], whole, 0.0)
        alpha /= alpha.sum()
        down, up = state[f"pools.{index}.down"], state[f"pools.{index}.up"]
        own = base + sum(a * (x @ down[k].T @ up[k].T) for k, a in enumerate(alpha))
        beyond = sum((a - b) * (x @ down[k].T @ up[k].T) for k, (a, b) in enumerate(zip(whole, alpha, strict=True)))
        down, up = state[f"shared_pools.{index}.down"], state[f"shared_pools.{index}.up"]
        parts = [own, *(base + x @ down[k].T @ up[k].T for k in range(2))]
        pooled = np.concatenate([part[prompt[row]].mean(0) for part in parts])
        hidden = np.maximum(state[f"gates.{index}.0.weight"] @ pooled + state[f"gates.{index}.0.bias"], 0)
        scores = state[f"gates.{index}.2.weight"] @ hidden + state[f"gates.{index}.2.bias"]
        g = np.exp(scores - scores.max())
        g /= g.sum()
        start = np.exp(4.0) / (np.exp(4.0) + 2.0)
        weights = [g[0] / start, *g[1:]]
        expected = base + beyond + sum(w * (part - base) for w, part in zip(weights, parts, strict=True))
        np.testing.assert_allclose(seen["y"][row].numpy(), expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_batch_of_one_task_gives_no_gradient_to_other_rows(bench, architecture):
    model = bench.model(architecture, "mta").train()
    forward(model, bench.batch(architecture), [1, 1, 1, 1]).loss.backward()
    grad = model.adapter.selector.grad
    assert grad[:, 1].any()
    assert not grad[:, [0, 2]].any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stage_two_leaves_everything_outside_unchanged(bench, architecture, form):
    model = bench.model(architecture, "mta", {"form": form}, stage=2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.train()
    groups = [p for ps in model.parameter_groups(2).values() for p in ps]
    optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.1)
    forward(model, bench.batch(architecture), [0, 1, 2, 0]).loss.backward()
    optimizer.step()
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(k.startswith(("adapter.shared_pools.", "adapter.gates.")) for k in moved)


@pytest.mark.parametrize("own_pair", [False, True])
@pytest.mark.parametrize("bias", [0.0, 4.0])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stage_two_starts_as_the_function_of_stage_one(bench, architecture, form, bias, own_pair):
    """After a stage 1 that moved adapters and selector: the same logits before a step of stage 2 and, with another
    answer, after one."""
    config = {"form": form, "gate_bias": bias, "upper_share": 1.0, "own_pair": own_pair}
    model = bench.model(architecture, "mta", config, shaken=False)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in [*model.adapter.pools.parameters(), model.adapter.selector]:
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    batch = bench.batch(architecture)
    with torch.no_grad():
        first = forward(model, batch, [0, 1, 2, 0]).logits
        model.set_stage(2)
        second = forward(model, batch, [0, 1, 2, 0]).logits
    assert (first - second).abs().max() < 2e-5 * first.abs().max()
    model.train()
    groups = [p for ps in model.parameter_groups(2).values() for p in ps]
    optimizer = torch.optim.AdamW(groups, lr=0.05)
    forward(model, batch, [0, 1, 2, 0]).loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        moved = forward(model, batch, [0, 1, 2, 0]).logits
    assert (moved - second).abs().max() > 1e-3 * first.abs().max()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gate_is_constant_over_decoding_steps(bench, architecture, monkeypatch):
    model = bench.model(architecture, "mta", {"upper_share": 1.0}, stage=2)
    gates: dict[int, list[torch.Tensor]] = {}
    original = MTAAdapter._gate

    def spy(self: MTAAdapter, call: Any, index: int, outputs: torch.Tensor) -> torch.Tensor:
        gate = original(self, call, index, outputs)
        gates.setdefault(index, []).append(gate)
        return gate

    monkeypatch.setattr(MTAAdapter, "_gate", spy)
    batch = bench.batch(architecture)
    model.generate(
        batch.input_ids,
        attention_mask=batch.attention_mask,
        task_ids=[0, 1, 2, 0],
        max_new_tokens=5,
        min_new_tokens=5,
        do_sample=False,
    )
    decoder = [g for i, g in gates.items() if architecture == "llama" or model.adapter.reads_start[i]]
    assert all(len(g) == 5 for g in decoder)
    for steps in decoder:
        assert all(torch.equal(g, steps[0]) for g in steps)
        assert not torch.allclose(steps[0][0], steps[0][1], atol=1e-4)  # each instance has its own


def test_answer_tokens_do_not_reach_the_gate(bench):
    """In training the answer stands behind the prompt: another answer must not change how the prompt is routed."""
    model = bench.model("llama", "mta", stage=2)
    batch = bench.batch("llama")
    other = batch.input_ids.clone()
    other[:, -2:] = 7
    with torch.no_grad():
        one = forward(model, batch, [0, 1, 2, 0]).logits
        batch.input_ids = other
        two = forward(model, batch, [0, 1, 2, 0]).logits
    assert torch.equal(one[:, :-2], two[:, :-2])


def test_blocks_are_chosen(bench):
    assert bench.model("llama", "mta").layer_names() == ["model.layers.1.mlp"]
    chosen = bench.model("t5", "mta", {"blocks": "0"}).layer_names()
    assert chosen == ["encoder.block.0.layer.1.DenseReluDense", "decoder.block.0.layer.2.DenseReluDense"]
    for wrong in ("2", "x", ","):
        with pytest.raises(ModelError):
            bench.model("llama", "mta", {"blocks": wrong})


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parameter_count(bench, architecture, form, stage):
    model = bench.model(architecture, "mta", {"form": form, "num_shared": 2}, stage=stage, tasks=4)
    d, h, n, k, t = 64, 64, 5, 2, 4
    one = 2 * 8 * d if form == "light" else 3 * d * 2 * d
    block = (n + k) * one + t * n + h * ((k + 1) * d + 1) + (k + 1) * (h + 1)
    assert model.adapter.num_parameters() == len(model.adapter.sites) * block


@pytest.mark.parametrize("shared", [0, 1, 3])
def test_ablations_of_stage_two(bench, shared):
    model = bench.model("llama", "mta", {"num_shared": shared}, stage=2)
    assert len(model.adapter.skills()) == 4 + shared
    assert model.allocation().shape == (1, 3, 4 + shared)
    np.testing.assert_allclose(model.allocation().sum(-1), 1.0, rtol=1e-5)
    forward(model, bench.batch("llama"), [0, 1, 2, 0])


def test_shown_gate_is_the_mean_of_what_is_noted(bench):
    """Not of training, in which the gate still changes."""
    model = bench.model("llama", "mta", {"num_shared": 2}, stage=2).train()
    before = model.allocation()
    np.testing.assert_allclose(before[..., -2:], 1 / 3, rtol=1e-5)
    forward(model, bench.batch("llama"), [0, 1, 0, 1])
    np.testing.assert_array_equal(model.allocation(), before)
    with model.adapter.usage.noting():
        forward(model, bench.batch("llama"), [0, 1, 0, 1])
    after = model.allocation()
    np.testing.assert_allclose(after.sum(-1), 1.0, rtol=1e-5)
    assert not np.allclose(after[:, 0], before[:, 0], atol=1e-3)
    np.testing.assert_allclose(after[:, 2, -2:], 1 / 3, rtol=1e-5)


# The paper's ablations as settings of a run; alpha of three tasks in stage 1.
UNIFORM, ONE = np.full((3, 4), 0.25), np.ones((3, 1))
GRID = {
    "shared": ({"num_adapters": 1}, ONE),
    "one per task": ({"selector": "own"}, np.eye(3)),
    "uniform": ({"selector": "uniform"}, UNIFORM),
    "K = 0": ({"num_shared": 0}, None),
    "K = 1": ({"num_shared": 1}, None),
    "K = 2": ({"num_shared": 2}, None),
    "K = 3": ({"num_shared": 3}, None),
}


@pytest.mark.parametrize("name", GRID)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_ablation_grid(bench, architecture, name):
    """Every cell starts as the base model, trains both stages, and shows the mixture it says it has."""
    config, alpha = GRID[name]
    model = bench.model(architecture, "mta", config, shaken=False)
    batch = bench.batch(architecture)
    with torch.no_grad(), model.disabled():
        plain = model(batch.input_ids, batch.attention_mask, batch.labels).logits
    with torch.no_grad():
        start = forward(model, batch, [0, 1, 2, 0]).logits
    assert (start - plain).abs().max() < 2e-6 * plain.abs().max()
    for stage in (1, 2):
        model.set_stage(stage)
        model.train()
        groups = [p for ps in model.parameter_groups(stage).values() for p in ps]
        optimizer = torch.optim.AdamW(groups, lr=0.01)
        losses = []
        for _ in range(3):
            loss = forward(model, batch, [0, 1, 2, 0]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[-1] < losses[0]
        if stage == 1 and alpha is not None:
            np.testing.assert_array_equal(model.allocation(), np.broadcast_to(alpha, model.allocation().shape))
    assert model.allocation().shape[-1] == model.adapter.num_adapters + config.get("num_shared", 3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_adapters_of_their_own_leave_each_other_alone(bench, architecture, form):
    """Steps of one task move no other adapter by a bit: neither by its gradient nor by what Adam remembers of
    earlier steps."""
    model = bench.model(architecture, "mta", {"selector": "own", "form": form}).train()
    groups = [p for ps in model.parameter_groups(1).values() for p in ps]
    optimizer = torch.optim.AdamW(groups, lr=0.01)

    def step(tasks: list[int]) -> list[dict[str, torch.Tensor]]:
        optimizer.zero_grad()
        forward(model, bench.batch(architecture), tasks).loss.backward()
        optimizer.step()
        pool = model.adapter.pools[0]
        own = [pool.copies[k].state_dict() if form == "faithful" else {"up": pool.up[k]} for k in range(3)]
        return [{name: tensor.detach().clone() for name, tensor in state.items()} for state in own]

    before = step([0, 1, 2, 0])
    after = step([1, 1, 1, 1])
    for task in range(3):
        same = all(torch.equal(before[task][name], after[task][name]) for name in before[task])
        assert same == (task != 1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_adapters_of_their_own_blend_and_are_shared_among_more_tasks(bench, architecture):
    """Two adapters for three tasks; an example between two tasks is the mixture of their adapters."""
    model = bench.model(architecture, "mta", {"selector": "own", "num_adapters": 2})
    batch = bench.batch(architecture)
    with torch.no_grad():
        zero, one, two = (forward(model, batch, [task] * 4).logits for task in range(3))
    assert torch.equal(zero, two)
    assert not torch.equal(zero, one)


def test_rates_belong_to_the_form() -> None:
    """The faithful form diverges at the light one's rate; what a person sets is taken as it is."""
    light, faithful = RunConfig(method="mta"), RunConfig(method="mta", adapter=MTAConfig(form="faithful"))
    assert (skill_rate(light), skill_rate(faithful)) == (0.03, 0.001)
    assert skill_rate(replace(faithful, learning_rate_skills=0.5)) == 0.5


def test_the_last_block_of_an_encoder_and_a_decoder(bench):
    """Where the paper puts it: one block in each stack."""
    model = bench.model("t5", "mta", {"blocks": "1", "form": "faithful"})
    assert [name.split(".")[0] for name in model.layer_names()] == ["encoder", "decoder"]
    forward(model, bench.batch("t5"), [0, 1, 2, 0]).loss.backward()
    assert all(p.grad is not None for p in model.adapter.pools.parameters())


def test_noting_gates_forgets_what_was_noted_before():
    """Of all tasks, or of those that are asked anew; a task that nothing was asked of is shown evenly."""
    usage, both = GateUsage(1, 2, 2), torch.tensor([0, 1])
    with usage.noting():
        usage.add(0, both, torch.eye(2))
    with usage.noting([0]):
        usage.add(0, both[:1], torch.tensor([[0.0, 1.0]]))
    assert usage.mean()[0].tolist() == [[0.0, 1.0], [0.0, 1.0]]
    with usage.noting():
        assert usage.is_noting
    assert usage.mean()[0].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert not usage.is_noting

"""The fast path equals the definition, forward and backward, and its autograd function is a true derivative."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.adapters.call import build_call, enter_call
from core.adapters.fast import fused
from core.models.building import build_modular
from tests.adapters.conftest import shake

CONFIGS: dict[str, dict[str, Any]] = {
    "sum": {},
    "sum-learnable": {"private_block": "learnable"},
    "sum-heads": {"routing_heads": 2},
    "mix": {"combine": "mix", "rank": 3},
    "mix-heads": {"combine": "mix", "routing_heads": 4},
    "no-noise": {"noise": False},
    "mix-no-noise": {"combine": "mix", "noise": False},
    "private": {"num_common_skills": 0},
    "many": {"num_private_skills": 6, "rank": 8},
    "left out": {"private_dropout": 0.5},
    "many left out": {"num_private_skills": 6, "rank": 8, "private_dropout": 0.5},
    "many later": {"num_private_skills": 6, "rank": 8, "private_start": 0.5},
}


def run(bench: Any, architecture: str, config: dict[str, Any], tasks: list[int]) -> tuple[Any, dict[str, Any]]:
    base = bench.base(architecture)
    base.model.double()
    model = build_modular(base, "cpoly", config, 4)
    model.adapter.double()
    shake(model)
    model.adapter.trained_share = 0.25
    model.train()
    batch = bench.batch(architecture)
    torch.manual_seed(11)
    output = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks)
    output.loss.backward()
    return output.logits.detach(), {name: p.grad for name, p in model.adapter.named_parameters()}


@pytest.mark.parametrize("architecture", ["llama", "t5"])
@pytest.mark.parametrize("tasks", [[1, 1, 1, 1], [0, 3, 0, 2]])
@pytest.mark.parametrize("name", CONFIGS)
def test_training_step_equals_the_definition(bench, architecture, tasks, name):
    logits, grads = run(bench, architecture, {**CONFIGS[name], "kernel": "fused"}, tasks)
    expected, expected_grads = run(bench, architecture, {**CONFIGS[name], "kernel": "plain"}, tasks)
    assert (logits - expected).abs().max() < 1e-10 * expected.abs().max()
    for key, grad in expected_grads.items():
        if grad is None:
            assert grads[key] is None
        elif grad.numel():
            assert (grads[key] - grad).abs().max() <= 1e-5 * grad.abs().max(), key


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("scaled", [None, 1, 4])
def test_derivative(batched, scaled):
    """Without a scale, with one for each row of the batch, and with one for each token."""
    tokens = (scaled,)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.double, requires_grad=True)

    rows = (3,) if batched else ()
    x, down, scale = draw(3, 4, 5), draw(*rows, 4, 5), draw(3, *tokens, 2, 2) if scaled else None
    weights = [draw(6, 5).detach(), draw(2, 5).detach()]
    biases = [draw(6).detach(), None]
    ups = [draw(*rows, 2, 6), draw(*rows, 2, 2)]
    inputs = (x, down, scale, None, *weights, *biases, *ups)
    assert torch.autograd.gradcheck(fused._GroupLinear.apply, inputs)


def test_unused_member_of_a_group_gives_no_gradient_of_its_own():
    x = torch.randn(2, 3, 4, dtype=torch.double, requires_grad=True)
    down = torch.randn(4, 4, dtype=torch.double, requires_grad=True)
    ups = [torch.randn(2, 5, dtype=torch.double, requires_grad=True) for _ in range(2)]
    weights = [torch.randn(5, 4, dtype=torch.double) for _ in range(2)]
    first, _ = fused._GroupLinear.apply(x, down, None, None, *weights, None, None, *ups)
    first.sum().backward()
    assert ups[1].grad is None
    assert down.grad is not None
    assert torch.equal(down.grad[2:], torch.zeros_like(down.grad[2:]))


def test_layers_of_a_group_are_computed_once(bench, monkeypatch):
    model = bench.model("llama", "cpoly")
    calls = []
    original = fused.run_fused
    monkeypatch.setattr("core.adapters.fast.path.run_fused", lambda *a: calls.append(len(a[2])) or original(*a))
    batch = bench.batch("llama")
    model(batch.input_ids, batch.attention_mask, task_ids=[0, 1, 2, 0])
    assert sorted(calls) == [1, 1, 1, 1, 2, 2, 3, 3]  # of two blocks: q k v, o, gate up, down


@pytest.mark.parametrize("widest", [0, 10_000])
def test_both_layouts_of_the_sum_form_agree(bench, monkeypatch, widest):
    """Side by side for few columns, one set for each task for many: forced here for the same model."""
    monkeypatch.setattr("core.adapters.fast.layouts.WIDEST_STACK", widest)
    for tasks in ([0, 3, 0, 2], [1, 1, 1, 1]):
        logits, grads = run(bench, "llama", {}, tasks)
        expected, expected_grads = run(bench, "llama", {"kernel": "plain"}, tasks)
        assert (logits - expected).abs().max() < 1e-10 * expected.abs().max()
        for key, grad in expected_grads.items():
            assert grad is None or (grads[key] - grad).abs().max() <= 1e-5 * grad.abs().max(), key


def test_a_member_that_reads_another_input_is_computed_for_it(bench):
    """The parts of a group are an economy: another input, or a second call, starts anew."""
    model = bench.model("llama", "cpoly")
    attention = model.base.model.layers[0].self_attn
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randn(2, 3, 64, generator=generator) for _ in range(2))

    def call(layer: Any, x: torch.Tensor) -> torch.Tensor:
        context = build_call([0, 2], 3, torch.device("cpu"), training=False)
        model.adapter.prepare(context)
        with enter_call(context):
            return layer(x)

    expected = call(attention.k_proj, two)
    context = build_call([0, 2], 3, torch.device("cpu"), training=False)
    model.adapter.prepare(context)
    with torch.no_grad(), enter_call(context):
        attention.q_proj(one)
        assert torch.allclose(attention.k_proj(two), expected)
        assert torch.allclose(attention.k_proj(two), expected)
        assert torch.allclose(attention.q_proj(one), call(attention.q_proj, one))

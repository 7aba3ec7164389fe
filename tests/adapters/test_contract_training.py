"""The contract of every registered adapter method, in training: what moves, and in which number types."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.adapters.fast.bfloat16_linears import HalfLinear, use_half_products
from core.adapters.registry import METHODS
from core.base.errors import ModelError
from core.models.building import build_modular
from core.models.modular import ModularModel
from tests.adapters.contract import HARD_CHOICE, MARKS, TASKS, logits, same

pytestmark = MARKS


def train_step(model: ModularModel, batch: Any, tasks: list[int], rate: float = 0.05) -> float:
    model.train()
    groups = [p for ps in model.parameter_groups(model.adapter.stage).values() for p in ps]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    loss = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks).loss
    loss.backward()
    optimizer.step()
    model.eval()
    return float(loss.detach())


def rounding(method: str) -> float:
    """Mean error of bfloat16 products, as a share of the mean logit, that is no mistake."""
    return 0.2 if method in HARD_CHOICE else 0.05


def test_only_adapter_parameters_move(bench, architecture, method):
    model = bench.model(architecture, *method)
    before = {name: p.detach().clone() for name, p in model.base.named_parameters()}
    own = {name: p.detach().clone() for name, p in model.adapter.named_parameters()}
    train_step(model, bench.batch(architecture), TASKS)
    assert all(torch.equal(p, before[name]) for name, p in model.base.named_parameters())
    assert any(not torch.equal(p, own[name]) for name, p in model.adapter.named_parameters())
    trained = {id(p) for ps in model.parameter_groups(method[2]).values() for p in ps}
    assert trained <= {id(p) for p in model.adapter.parameters()}
    assert {id(p) for p in model.parameters() if p.requires_grad} == trained


def test_gradients_reach_skills_and_allocation(bench, architecture, method):
    model = bench.model(architecture, *method).train()
    batch = bench.batch(architecture)
    model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS).loss.backward()
    for name, parameters in model.parameter_groups(method[2]).items():
        for parameter in parameters:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_bfloat16_base_with_float32_adapter(bench, architecture, method):
    base = bench.base(architecture)
    base.model.bfloat16()
    model = build_modular(base, method[0], method[1], 3)
    model.set_stage(method[2])
    assert all(p.dtype == torch.float32 for p in model.adapter.parameters())
    batch = bench.batch(architecture)
    loss = train_step(model, batch, TASKS)
    assert loss == loss
    assert logits(model, batch, TASKS).dtype == torch.bfloat16
    exact = bench.model(architecture, *method, shaken=False)
    exact.adapter.load_state_dict(model.adapter.state_dict())
    error = (logits(model, batch, TASKS).float() - logits(exact, batch, TASKS)).abs().mean()
    assert error < rounding(method[0]) * logits(exact, batch, TASKS).abs().mean()


def test_bfloat16_products_in_a_float32_model(bench, architecture, method):
    """Frozen layers multiply in bfloat16, the rest is float32: near the exact loss, and it trains."""
    base = bench.base(architecture)
    base.model.requires_grad_(False)
    assert use_half_products(base.model) == sum(isinstance(m, HalfLinear) for m in base.model.modules()) > 0
    model = build_modular(base, method[0], method[1], 3).eval()
    model.set_stage(method[2])
    exact = bench.model(architecture, *method)
    model.adapter.load_state_dict(exact.adapter.state_dict())
    batch = bench.batch(architecture)
    expected = logits(exact, batch, TASKS)
    found = logits(model, batch, TASKS)
    assert found.dtype == torch.float32
    assert (found - expected).abs().mean() < rounding(method[0]) * expected.abs().mean()
    losses = [train_step(model, batch, TASKS, 0.005) for _ in range(4)]
    assert losses[-1] < losses[0]
    assert all(p.dtype == torch.float32 for p in model.adapter.parameters())


def test_autocast_trains(bench, architecture, method):
    model = bench.model(architecture, *method).train()
    batch = bench.batch(architecture)
    torch.manual_seed(0)  # the same routing noise and dropout for both
    exact = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS).loss
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS).loss
    loss.backward()
    assert abs(float(loss.detach()) - float(exact.detach())) < 0.1 * float(exact.detach())


def test_gradient_checkpointing_gives_the_same_gradients(bench, architecture, method):
    batch = bench.batch(architecture)
    grads = []
    for checkpointing in (False, True):
        model = bench.model(architecture, *method).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        torch.manual_seed(0)
        loss = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS, use_cache=False).loss
        loss.backward()
        grads.append([p.grad for p in model.adapter.parameters() if p.grad is not None])
    assert len(grads[0]) == len(grads[1])
    assert all(same(a, b, 2e-4) for a, b in zip(*grads, strict=True))


def test_stages_freeze_what_they_do_not_train(bench, architecture, method):
    model = bench.model(architecture, *method)
    stages = len(METHODS.get(method[0]).stages)
    for stage in range(1, stages + 1):
        model.set_stage(stage)
        trained = {id(p) for ps in model.parameter_groups(stage).values() for p in ps}
        assert trained
        assert {id(p) for p in model.parameters() if p.requires_grad} == trained
    for wrong in (0, stages + 1):
        with pytest.raises(ModelError):
            model.set_stage(wrong)

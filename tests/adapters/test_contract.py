"""One contract for every registered adapter method: a table of laws, on a decoder-only and an encoder-decoder
model.
"""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.base import AdaptedLinear
from core.adapters.methods import METHODS
from core.errors import ModelError
from core.models.modular import ModularModel, load_adapter, save_adapter
from core.serving.export import merge_task

ARCHITECTURES = ("llama", "t5")
# name -> method, settings, stage
VARIANTS: dict[str, tuple[str, dict[str, Any], int]] = {name: (name, {}, 1) for name in METHODS.names()}
VARIANTS |= {
    "cpoly-plain": ("cpoly", {"kernel": "plain"}, 1),
    "cpoly-mix": ("cpoly", {"combine": "mix", "num_private_skills": 2, "rank": 3}, 1),
    "cpoly-paper": ("cpoly", {"private_block": "learnable", "granularity": "model"}, 1),
    "cpoly-heads": ("cpoly", {"routing_heads": 4}, 2),
    "ia3-shared": ("ia3", {"per_task": False}, 1),
    "mta-faithful": ("mta", {"form": "faithful", "upper_share": 1.0}, 1),
    "mta-stage2": ("mta", {"upper_share": 1.0, "own_pair": True}, 2),
    "mta-faithful-stage2": (
        "mta", {"form": "faithful", "num_shared": 2, "stage2_trains": "all"}, 2
    ),
}
# Weighted means of equal outputs: the declared exception to the identity at the start.
ROUNDED_START = ("mta-faithful", "mta-stage2", "mta-faithful-stage2")
TASKS = [0, 2, 1, 2]

pytestmark = [
    pytest.mark.parametrize("architecture", ARCHITECTURES),
    pytest.mark.parametrize("variant", VARIANTS),
]


@pytest.fixture
def method(variant: str) -> tuple[str, dict[str, Any], int]:
    return VARIANTS[variant]


def logits(model: ModularModel, batch: Any, tasks: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks).logits


def same(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-5) -> bool:
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


def base_logits(bench: Any, architecture: str) -> torch.Tensor:
    batch = bench.batch(architecture)
    with torch.no_grad():
        return bench.base(architecture).model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels
        ).logits


def train_step(model: ModularModel, batch: Any, tasks: list[int], rate: float = 0.05) -> float:
    model.train()
    groups = [p for ps in model.parameter_groups(model.adapter.stage).values() for p in ps]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    loss = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks).loss
    loss.backward()
    optimizer.step()
    model.eval()
    return float(loss.detach())


def test_starts_as_the_base_model(bench, architecture, method, variant):
    model = bench.model(architecture, *method, shaken=False)
    found, expected = logits(model, bench.batch(architecture), TASKS), base_logits(bench, architecture)
    assert same(found, expected, 2e-6) if variant in ROUNDED_START else torch.equal(found, expected)


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


def test_saved_keys_are_the_adapters_and_load_back(bench, architecture, method, tmp_path):
    from safetensors.torch import load_file

    model = bench.model(architecture, *method)
    save_adapter(model, tmp_path / "adapter")
    saved = load_file(tmp_path / "adapter" / "adapter.safetensors")
    assert set(saved) == set(model.adapter.state_dict())
    assert set(saved) >= {name for name, _ in model.adapter.named_parameters()}
    loaded = load_adapter(bench.base(architecture), tmp_path / "adapter")
    batch = bench.batch(architecture)
    assert torch.equal(logits(loaded, batch, TASKS), logits(model, batch, TASKS))
    save_adapter(loaded, tmp_path / "adapter")  # over the old one
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adapter"]


def test_disabling_gives_the_base_bit_for_bit(bench, architecture, method):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    tuned = logits(model, batch, TASKS)
    with model.disabled():
        assert torch.equal(logits(model, batch, None), base_logits(bench, architecture))
    assert not same(tuned, base_logits(bench, architecture), 1e-3)
    assert torch.equal(logits(model, batch, TASKS), tuned)


def test_mixed_batch_equals_one_task_at_a_time(bench, architecture, method):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    mixed = logits(model, batch, TASKS)
    for row, task in enumerate(TASKS):
        assert same(mixed[row : row + 1], logits(model, batch.rows(row), [task]))


def test_beams_and_return_sequences_of_a_mixed_batch(bench, architecture, method):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    lengths = {"max_new_tokens": 5, "min_new_tokens": 5}
    options = {"num_beams": 3, "num_return_sequences": 2, "do_sample": False, **lengths}
    mixed = model.generate(batch.input_ids, attention_mask=batch.attention_mask, task_ids=TASKS, **options)
    assert mixed.shape[0] == 2 * len(TASKS)
    for row, task in enumerate(TASKS):
        part = batch.rows(row)
        alone = model.generate(part.input_ids, attention_mask=part.attention_mask, task_ids=[task], **options)
        assert torch.equal(mixed[2 * row : 2 * row + 2], alone)


def test_cached_decoding_equals_uncached(bench, architecture, method):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    answers = [
        model.generate(
            batch.input_ids, attention_mask=batch.attention_mask, task_ids=TASKS, do_sample=False,
            max_new_tokens=6, min_new_tokens=6, use_cache=cached,
        )
        for cached in (True, False)
    ]
    assert torch.equal(*answers)


@pytest.mark.parametrize("tasks", [None, [0, 1, 2, 3], [0, 1, -1, 2], [0, 1], [0.0, 1.0, 2.0, 0.0], [[0, 1, 2, 0]]])
def test_unknown_or_missing_task_is_refused_in_words(bench, architecture, method, tasks):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    with pytest.raises(ModelError) as error:
        model(batch.input_ids, batch.attention_mask, task_ids=tasks)
    assert error.value.key.startswith("adapter.task_")
    assert error.value.hint
    with pytest.raises(ModelError):
        model.generate(batch.input_ids, task_ids=tasks, max_new_tokens=2)


def test_base_called_without_a_task_is_refused(bench, architecture, method):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    with pytest.raises(ModelError, match="without telling the task"):
        model.base(input_ids=batch.input_ids, labels=batch.labels)
    logits(model, batch, TASKS)
    with pytest.raises(ModelError), model.disabled():
        raise ModelError("adapter.no_call")
    with pytest.raises(ModelError, match="without telling the task"):  # the call has ended, and so has disabled()
        model.base(input_ids=batch.input_ids, labels=batch.labels)


def test_same_seed_same_weights(bench, architecture, method):
    state = torch.get_rng_state()
    first, again, other = (bench.model(architecture, *method, seed=s, shaken=False) for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    pairs = list(zip(*(m.adapter.parameters() for m in (first, again, other)), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    if method[0] != "ia3":  # its scales start as ones
        assert any(not torch.equal(a, c) for a, _, c in pairs)


def test_bfloat16_base_with_float32_adapter(bench, architecture, method):
    base = bench.base(architecture)
    base.model.bfloat16()
    from core.models.modular import build_modular

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
    assert error < 0.05 * logits(exact, batch, TASKS).abs().mean()


def test_bfloat16_products_in_a_float32_model(bench, architecture, method):
    """Frozen layers multiply in bfloat16, the rest is float32: near the exact loss, and it trains."""
    from core.adapters.half import HalfLinear, use_half_products
    from core.models.modular import build_modular

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
    assert (found - expected).abs().mean() < 0.05 * expected.abs().mean()
    losses = [train_step(model, batch, TASKS, 0.005) for _ in range(4)]
    assert losses[-1] < losses[0]
    assert all(p.dtype == torch.float32 for p in model.adapter.parameters())


def test_autocast_trains(bench, architecture, method):
    model = bench.model(architecture, *method).train()
    batch = bench.batch(architecture)
    exact = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS).loss
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS).loss
    loss.backward()
    assert abs(float(loss.detach()) - float(exact.detach())) < 0.1 * float(exact.detach())


def test_merged_equals_unmerged_or_is_refused(bench, architecture, method):
    """One task as a plain model: equal logits where the method claims it, a refusal in words elsewhere."""
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    if method[0] in ("mta", "moe_lora"):
        with pytest.raises(ModelError, match="cannot"):
            merge_task(model, 1)
        return
    merged = merge_task(model, 1)
    assert not any(isinstance(m, AdaptedLinear) for m in merged.modules())
    with torch.no_grad():
        found = merged(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels
        ).logits
    assert same(found, logits(model, batch, [1] * 4))
    assert not same(found, logits(model, batch, [2] * 4), 1e-3) or variant_is_shared(method)


def variant_is_shared(method: tuple[str, dict[str, Any], int]) -> bool:
    """Whether all tasks use the same numbers."""
    return method[0] == "lora" or method[1].get("per_task") is False


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


def test_two_threads_with_two_tasks_on_one_model(bench, architecture, method):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    expected = {task: logits(model, batch, [task] * 4) for task in (0, 1)}
    plain = base_logits(bench, architecture)
    wrong: list[str] = []

    def ask(task: int | None) -> None:
        for _ in range(6):
            if task is None:
                with model.disabled():
                    right = torch.equal(logits(model, batch, None), plain)
            else:
                right = torch.equal(logits(model, batch, [task] * 4), expected[task])
            if not right:
                wrong.append(f"task {task}")

    threads = [threading.Thread(target=ask, args=(task,)) for task in (0, 1, None)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_allocation_describes_the_skills(bench, architecture, method):
    model = bench.model(architecture, *method)
    table = model.allocation_table()
    weights = np.array(table["weights"])
    assert weights.shape == (len(model.layer_names()), 3, len(model.skill_names()))
    assert model.allocation_logits().shape[:2] == weights.shape[:2]
    assert {s["kind"] for s in table["skills"]} <= {"common", "private"}
    assert all((s["task"] is None) == (s["kind"] == "common") for s in table["skills"])
    assert np.isfinite(weights).all()


def test_a_copy_of_the_model_is_independent(bench, architecture, method):
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    before = logits(model, batch, TASKS)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.adapter.parameters():
            parameter.zero_()
    assert torch.equal(logits(model, batch, TASKS), before)
    assert not torch.equal(logits(other, batch, TASKS), before)


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

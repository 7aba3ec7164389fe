"""One contract for every registered adapter method: a table of laws, on a decoder-only and an encoder-decoder
model. What holds in training is in `test_contract_training.py`.
"""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.call import AdaptedLinear
from core.adapters.own_columns import unpack_weights
from core.base.errors import ModelError
from core.export.weights import merge_task
from core.models.building import load_adapter, save_adapter
from tests.adapters.contract import MARKS, NO_TASK_ALONE, ROUNDED_START, TASKS, base_logits, logits, same

pytestmark = MARKS


def test_starts_as_the_base_model(bench, architecture, method, variant):
    model = bench.model(architecture, *method, shaken=False)
    found, expected = logits(model, bench.batch(architecture), TASKS), base_logits(bench, architecture)
    assert same(found, expected, 2e-6) if variant in ROUNDED_START else torch.equal(found, expected)


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
            batch.input_ids,
            attention_mask=batch.attention_mask,
            task_ids=TASKS,
            do_sample=False,
            max_new_tokens=6,
            min_new_tokens=6,
            use_cache=cached,
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


def test_merged_equals_unmerged_or_is_refused(bench, architecture, method):
    """One task as a plain model: equal logits where the method claims it, a refusal in words elsewhere."""
    model = bench.model(architecture, *method)
    batch = bench.batch(architecture)
    if method[0] in NO_TASK_ALONE:
        with pytest.raises(ModelError, match="cannot"):
            merge_task(model, 1)
        return
    merged = merge_task(model, 1)
    assert not any(isinstance(m, AdaptedLinear) for m in merged.modules())
    with torch.no_grad():
        found = merged(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels).logits
    assert same(found, logits(model, batch, [1] * 4))
    assert not same(found, logits(model, batch, [2] * 4), 1e-3) or variant_is_shared(method)


def variant_is_shared(method: tuple[str, dict[str, Any], int]) -> bool:
    """Whether all tasks use the same numbers."""
    return method[0] in ("lora", "adalora") or method[1].get("per_task") is False


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
    weights = unpack_weights(np.array(table["weights"]), table["own_private"])
    assert np.abs(weights - model.allocation()).max() < 1e-6
    assert weights.shape == (len(model.layer_names()), 3, len(model.adapter.skills()))
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

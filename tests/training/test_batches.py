"""The order of micro batches depends on the seed and the number alone."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.models.loading import load_base
from core.tasks.dataset import load_dataset_of
from core.tasks.mixture import MixtureSampler, MixtureSettings
from core.training.answer_model import Batch
from core.training.batches import BatchPlan, EncodedSplit, Encoder, MicroBatches
from core.workspace import Project

SIZE = 8


@pytest.fixture(scope="module")
def split(toy_project: Project, tiny_llama: Path) -> EncodedSplit:
    base = load_base(str(tiny_llama))
    return EncodedSplit(
        load_dataset_of(toy_project), "train", Encoder(base.tokenizer, "decoder", 96, base.tokenizer.pad_token_id)
    )


def sampler_of(split: EncodedSplit, seed: int = 0) -> MixtureSampler:
    return MixtureSampler([len(rows) for rows in split.examples], MixtureSettings(), seed)


def plan_of(split: EncodedSplit, seed: int = 0) -> BatchPlan:
    return BatchPlan(sampler_of(split, seed), SIZE)


def test_any_batch_can_be_asked_for_in_any_order(split: EncodedSplit) -> None:
    forward = plan_of(split)
    listed = [forward.places(number) for number in range(70)]  # several passes
    jumping = plan_of(split)
    for number in (69, 3, 40, 41, 0, 69):
        assert jumping.places(number) == listed[number]
    assert [plan_of(split, 1).places(n) for n in range(5)] != listed[:5]


def test_one_pass_holds_every_example_once(split: EncodedSplit) -> None:
    plan = plan_of(split)
    total = sum(len(rows) for rows in split.examples)
    count = -(-total // SIZE)
    seen = [place for number in range(count) for place in plan.places(number)]
    assert sorted(seen) == split.places()


def test_a_batch_is_a_draw_from_the_mixture_whatever_the_lengths(split: EncodedSplit) -> None:
    """Rows grouped by length made every step one kind of row: the loss after 20 steps was 0.25 nats higher."""
    drawn = sampler_of(split).epoch_examples(0)
    assert [plan_of(split).places(number) for number in range(2)] == [drawn[:SIZE], drawn[SIZE : 2 * SIZE]]


def test_several_processes_share_the_batches_of_one(split: EncodedSplit) -> None:
    plan = plan_of(split)

    def ids(batches: MicroBatches) -> list[list[torch.Tensor]]:
        return [[part["input_ids"] for part in batches[i]] for i in range(len(batches))]

    single = ids(MicroBatches(split, plan, 4, 6))
    ranks = [ids(MicroBatches(split, plan, 4, 3, rank, 2)) for rank in (0, 1)]
    shared = [parts for both in zip(*ranks, strict=True) for parts in both]
    for one, other in zip(single, shared, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    with pytest.raises(IndexError):
        MicroBatches(split, plan, 4, 6)[6]


def test_the_parts_of_a_batch_hold_its_rows(split: EncodedSplit) -> None:
    places = plan_of(split).places(0)
    finest = with_encoder(split, part_tokens=0).parts(places)
    assert len(finest) > 1 == len(with_encoder(split, part_tokens=10**6).parts(places))
    whole = split.collate(places)
    for name in ("targets", "tasks_of_tokens", "token_weights"):
        assert sorted(torch.cat([part[name] for part in finest]).tolist()) == sorted(whole[name].tolist())
    assert sum(part["num_tokens"] for part in finest) == whole["num_tokens"]
    assert sum(laid(part) for part in finest) < laid(whole)


def laid(batch: Batch) -> int:
    """Tokens of a batch, padding included."""
    return int(batch["input_ids"].numel())


def with_encoder(split: EncodedSplit, **changes: Any) -> EncodedSplit:
    changed = copy(split)
    changed.encoder = replace(split.encoder, **changes)
    return changed


def test_token_weights_can_make_examples_equal(split: EncodedSplit) -> None:
    batch = split.collate([(0, 0), (1, 1), (0, 2)])
    assert batch["token_weights"].tolist() == [1.0] * len(batch["targets"])
    equal = with_encoder(split, equal_examples=True)
    assert equal.collate([(0, 0), (1, 1), (0, 2)])["token_weights"].sum().item() == pytest.approx(3.0)

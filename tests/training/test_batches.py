"""The order of micro batches depends on the seed and the number alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.models.loading import load_base
from core.tasks.dataset import load_dataset_of
from core.tasks.mixture import MixtureSampler, MixtureSettings
from core.training.batches import BatchPlan, EncodedSplit, Encoder, MicroBatches
from core.workspace import Project

SIZE = 8


@pytest.fixture(scope="module")
def split(toy_project: Project, tiny_llama: Path) -> EncodedSplit:
    base = load_base(str(tiny_llama))
    return EncodedSplit(
        load_dataset_of(toy_project), "train", Encoder(base.tokenizer, "decoder", 96, base.tokenizer.pad_token_id)
    )


def plan_of(split: EncodedSplit, seed: int = 0) -> BatchPlan:
    sizes = [len(rows) for rows in split.examples]
    return BatchPlan(split, MixtureSampler(sizes, MixtureSettings(), seed), SIZE, seed)


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


def test_several_processes_share_the_batches_of_one(split: EncodedSplit) -> None:
    plan = plan_of(split)
    single = [MicroBatches(split, plan, 4, 6)[i]["input_ids"] for i in range(6)]
    shared = [MicroBatches(split, plan, 4, 3, rank, 2)[i]["input_ids"] for i in range(3) for rank in (0, 1)]
    assert all(torch.equal(a, b) for a, b in zip(single, shared, strict=True))
    with pytest.raises(IndexError):
        MicroBatches(split, plan, 4, 6)[6]


def test_token_weights_can_make_examples_equal(split: EncodedSplit) -> None:
    batch = split.collate([(0, 0), (1, 1), (0, 2)])
    assert batch["token_weights"].tolist() == [1.0] * len(batch["targets"])
    equal = EncodedSplit.__new__(EncodedSplit)
    equal.__dict__.update(split.__dict__)
    from dataclasses import replace

    equal.encoder = replace(split.encoder, equal_examples=True)
    assert equal.collate([(0, 0), (1, 1), (0, 2)])["token_weights"].sum().item() == pytest.approx(3.0)

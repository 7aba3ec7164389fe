"""Splits and mixtures: nothing torn apart, nothing lost, the same on every machine."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import SettingError
from core.tasks.mixture import STRATEGIES, MixtureSampler, MixtureSettings
from core.tasks.spec import SplitSettings
from core.tasks.splitting import split_rows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="abcd", max_size=2), max_size=60), st.integers(0, 5))
def test_the_same_input_never_lands_in_two_splits(keys: list[str], seed: int) -> None:
    splits = split_rows(keys, SplitSettings(0.2, 0.2, seed))
    where: dict[str, set[str | None]] = {}
    for key, split in zip(keys, splits, strict=True):
        where.setdefault(key, set()).add(split)
    assert all(len(found) == 1 for found in where.values())
    assert None not in splits
    if keys:
        assert "train" in splits
    assert splits == split_rows(keys, SplitSettings(0.2, 0.2, seed))


def test_shares_seed_and_growth() -> None:
    keys = [f"row {i}" for i in range(1000)]
    splits = split_rows(keys, SplitSettings(0.1, 0.2, 0))
    assert Counter(splits) == {"train": 700, "validation": 100, "test": 200}
    assert splits != split_rows(keys, SplitSettings(0.1, 0.2, 1))
    grown = split_rows([*keys, *(f"new {i}" for i in range(50))], SplitSettings(0.1, 0.2, 0))
    moved = sum(a != b for a, b in zip(splits, grown, strict=False))
    assert moved < 50  # a grown file keeps most rows where they were
    assert Counter(split_rows(["a", "b", "c"], SplitSettings())) == {"train": 1, "validation": 1, "test": 1}
    assert split_rows(["a", "b"], SplitSettings()) == ["train", "train"]


def test_rows_of_the_exam_are_left_out() -> None:
    assert split_rows(["a", "b", "a", "c", "d"], SplitSettings(0, 0.5), test_keys=["a"])[:3] == [
        None,
        "train",
        None,
    ]


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (1.0, 0.0), (0.6, 0.5)])
def test_impossible_shares_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(SettingError):
        SplitSettings(*shares)


@pytest.mark.parametrize(
    ("settings_", "counts"),
    [
        (MixtureSettings("proportional"), [100, 400, 1000]),
        (MixtureSettings("capped", cap_ratio=3), [100, 300, 300]),
        (MixtureSettings("equal"), [500, 500, 500]),
        (MixtureSettings("temperature", temperature=1), [100, 400, 1000]),
        (MixtureSettings("temperature", temperature=2), [243, 487, 770]),
    ],
)
def test_counts_per_strategy(settings_: MixtureSettings, counts: list[int]) -> None:
    sampler = MixtureSampler([100, 400, 1000], settings_, seed=3)
    assert sampler.counts() == counts
    assert sum(sampler.shares()) == pytest.approx(1)
    drawn = Counter(task for task, _ in sampler.epoch_examples(0))
    assert [drawn[i] for i in range(3)] == counts


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_epochs_are_deterministic_mixed_and_cover_everything(strategy: str) -> None:
    sizes = [10, 37, 0, 80]
    sampler = MixtureSampler(sizes, MixtureSettings(strategy), seed=1)
    first = sampler.epoch_examples(0)
    assert first == MixtureSampler(sizes, MixtureSettings(strategy), seed=1).epoch_examples(0)
    assert first != sampler.epoch_examples(1)
    assert first != MixtureSampler(sizes, MixtureSettings(strategy), seed=2).epoch_examples(0)
    assert len({task for task, _ in first[:20]}) == 3
    seen = {pair for epoch in range(12) for pair in sampler.epoch_examples(epoch)}
    assert seen == {(task, i) for task, size in enumerate(sizes) for i in range(size)}
    times = Counter(pair for epoch in range(12) for pair in sampler.epoch_examples(epoch))
    for task in (0, 1, 3):  # the examples of one task are used equally often, give or take one pass
        uses = [n for (t, _), n in times.items() if t == task]
        assert max(uses) - min(uses) <= 1


def test_bad_mixtures_are_refused() -> None:
    for bad in ({"strategy": "magic"}, {"cap_ratio": 0.5}, {"temperature": 0}):
        with pytest.raises(SettingError):
            MixtureSettings(**bad)
    with pytest.raises(SettingError):
        MixtureSampler([0, 0])

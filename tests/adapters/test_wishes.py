"""Wishes about tasks are held by training itself: for every method that says it can, and refused by the others."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from core.adapters.registry import METHODS
from core.adapters.wishes import APART, BOUND, COMMON_TENSOR, FROZEN, Wishes, allowed_skills, read_pairs
from core.base.errors import ModelError
from core.messages import Sentence
from core.training.config import RunConfig
from core.training.wishes import check_wishes

TASKS = ("mails", "bills", "news", "forms")
ALL_APART = "; ".join(f"{a} | {b}" for a, b in combinations(TASKS, 2))


def train(model, steps: int = 6, stage: int = 1) -> None:
    """Some real optimizer steps on tasks that want different answers."""
    adapter = model.adapter
    adapter.set_stage(stage)
    groups = [p for group in adapter.parameter_groups(stage).values() for p in group]
    optimizer = torch.optim.AdamW(groups, lr=0.05, weight_decay=0.0)
    model.train()
    draw = torch.Generator().manual_seed(0)
    for _ in range(steps):
        ids = torch.randint(5, 60, (4, 9), generator=draw)
        loss = model(ids, labels=ids, task_ids=[0, 1, 2, 3]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def rows(model) -> np.ndarray:
    """[L, T, S] of the common skills."""
    skills = model.adapter.skills()
    return model.adapter.allocation()[:, :, [i for i, skill in enumerate(skills) if skill.task is None]]


def assert_one_row(first: np.ndarray, second: np.ndarray) -> None:
    """Equal logits; exp of many numbers at once rounds the last bit by the place that a number stands in."""
    np.testing.assert_allclose(first, second, rtol=1e-6)


def bindable() -> list[str]:
    return [name for name in METHODS.names() if BOUND in METHODS.get(name).wishes]


@pytest.mark.parametrize("method", bindable())
def test_bound_tasks_have_one_row_after_training_and_others_have_their_own(bench, method) -> None:
    model = bench.model("llama", method, {}, tasks=4)
    model.adapter.take_wishes(Wishes(bound=((0, 1), (1, 3))))
    train(model)
    found = rows(model)
    assert_one_row(found[:, 0], found[:, 1])
    assert_one_row(found[:, 0], found[:, 3])
    assert np.abs(found[:, 0] - found[:, 2]).max() > 1e-4


@pytest.mark.parametrize("method", [n for n in bindable() if METHODS.get(n).stages[1:] == ("allocation",)])
def test_wishes_outlive_the_second_stage(bench, method) -> None:
    model = bench.model("llama", method, {}, tasks=4)
    model.adapter.take_wishes(Wishes(apart=((0, 2),), bound=((0, 1),)))
    train(model)
    train(model, stage=2)
    found = rows(model)
    assert_one_row(found[:, 0], found[:, 1])
    assert not np.any((found[:, 0] > 0) & (found[:, 2] > 0))


@pytest.mark.parametrize("method", [n for n in METHODS.names() if APART in METHODS.get(n).wishes])
@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_tasks_kept_apart_share_no_common_skill_and_others_may(bench, architecture, method) -> None:
    model = bench.model(architecture, method, {}, tasks=4)
    model.adapter.take_wishes(Wishes(apart=((0, 2),)))
    if architecture == "llama":
        train(model)
    found = rows(model)
    assert not np.any((found[:, 0] > 0) & (found[:, 2] > 0))
    if found.shape[-1]:
        np.testing.assert_allclose(found.sum(-1), 1.0, atol=1e-5)
        assert np.all(found[:, 1] > 0)


@pytest.mark.parametrize("method", METHODS.names())
def test_what_a_method_does_not_say_it_can_hold_it_refuses(bench, method) -> None:
    wishes = {APART: Wishes(apart=((0, 1),)), BOUND: Wishes(bound=((0, 1),))}
    for kind, wish in wishes.items():
        if kind not in METHODS.get(method).wishes:
            with pytest.raises(ModelError, match="keep tasks apart or bind"):
                bench.model("llama", method, {}, tasks=4).adapter.take_wishes(wish)
    if FROZEN not in METHODS.get(method).wishes:
        with pytest.raises(ModelError, match="could be taken over"):
            bench.model("llama", method, {}, tasks=4).adapter.freeze_skills({0: torch.zeros(1)})


@pytest.mark.parametrize("method", [n for n in METHODS.names() if FROZEN in METHODS.get(n).wishes])
@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_a_frozen_skill_has_a_place_and_a_size(bench, architecture, method) -> None:
    adapter = bench.model(architecture, method, {}, tasks=4).adapter
    common = adapter.state_dict()[COMMON_TENSOR]
    for factors in ({99: common[0]}, {0: common[0, :-1]}):
        with pytest.raises(ModelError, match="frozen skill"):
            adapter.freeze_skills(factors)
    adapter.freeze_skills({1: common[0]})
    with torch.no_grad():
        common.zero_()
    adapter.after_step()
    assert bool(common[1].any())
    assert not bool(common[0].any())


def test_chains_of_wishes() -> None:
    wishes = Wishes(apart=((0, 1), (1, 2), (0, 2)), bound=((2, 3),))
    allowed = allowed_skills(wishes, 6)
    assert wishes.num_parts() == 3
    assert allowed[3] == allowed[2]
    assert all(not set(allowed[a]) & set(allowed[b]) for a, b in ((0, 1), (1, 2), (0, 2)))
    assert sorted(skill for task in (0, 1, 2) for skill in allowed[task]) == list(range(6))
    assert Wishes(apart=((0, 2),), bound=((0, 1), (1, 2))).contradictions() == [(0, 2)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keep_apart": "mails | bills"}, []),
        ({"keep_apart": "mails | post"}, ["wish.unknown"]),
        ({"keep_apart": "mails"}, ["wish.no_pair"]),
        ({"bind_tasks": "mails | mails"}, ["wish.no_pair"]),
        ({"bind_tasks": "mails | bills; bills|news", "keep_apart": "mails | news"}, ["wish.contradiction"]),
        (
            {"keep_apart": "mails|bills; mails|news; mails|forms; bills|news; bills|forms; news|forms"},
            ["wish.few_skills"],
        ),
        ({"bind_tasks": "mails | bills", "method": "lora"}, ["wish.cannot_bound"]),
        ({"freeze_skills": "r1 | common 1", "method": "mta"}, ["wish.cannot_frozen"]),
        ({"keep_apart": "mails | bills", "method": "mta"}, ["wish.cannot_apart"]),
        ({"keep_apart": "mails | bills", "method": "private_lora"}, []),
    ],
)
def test_a_wish_that_cannot_be_held_is_said_before_the_start(changes, said) -> None:
    problems = check_wishes(RunConfig(**changes), TASKS)
    assert [problem.key for problem in problems] == said
    assert not any("{" in Sentence(problem.key, problem.values).text for problem in problems)


def test_pairs_of_a_setting() -> None:
    assert read_pairs(" a | b ;c|d; ") == [("a", "b"), ("c", "d")]
    assert read_pairs("") == []

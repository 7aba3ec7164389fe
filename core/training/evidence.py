"""What every skill does to every task: how its loss changes without the skill, and with another task's row.

Weights tell what a task mixes, not what it needs. So after training the check rows are asked again under other
conditions, all tasks side by side in each pass:

    own; the untouched base model; without one common skill (one pass each, for all tasks); without all common
    skills; without the tasks' own private skills; every task with the row of the task k places further (T - 1
    passes). In all T + A + 3 passes over a few rows of each task.

Every cell is the mean over a task's rows of a paired difference in nats per answer token, with its 95 % t interval;
above 0 the task is worse off. Equal, by construction, to setting the skill's factors to zero (Knock-out).

Legend: T tasks, S skills, R rows of a task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from core.adapters.base import Skill
from core.base.files import write_json_atomic
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit
from core.training.validation import to_device

ROWS = 16  # of a task; the exam has several times as many and writes its answers token by token
VERSION = 1
Losses = list[NDArray[np.float64]]  # by task: nats per answer token of each row
Cell = dict[str, float] | None


def write_evidence(path: Path, model: AnswerModel, split: EncodedSplit, tasks: Sequence[str]) -> None:
    """A run's evidence.json, see `measure_evidence`; nothing where there is not one check row."""
    if any(split.examples):
        write_json_atomic(path, measure_evidence(model, split, tasks))


def measure_evidence(model: AnswerModel, split: EncodedSplit, tasks: Sequence[str]) -> dict[str, Any]:
    """Returns:
    {version, tasks, skills, rows [T], own [T], base [T], cells [T][S], without_common [T], without_private [T],
    borrowed [T][T]}; a cell is {value, low, high} or None where nothing can change: another task's private skill, a
    method whose skills cannot be switched off, a task without check rows.
    """
    asker = _Asker(model, split)
    was_training = model.training
    model.eval()
    try:
        own = asker.losses()
        found = {
            "version": VERSION,
            "tasks": list(tasks),
            "skills": [skill.name for skill in asker.skills],
            "rows": [len(losses) for losses in own],
            "own": [_mean(losses) for losses in own],
            "base": [_mean(losses) for losses in asker.untouched()],
            **_without(asker, own),
            "borrowed": _borrowed(asker, own),
        }
    finally:
        model.train(was_training)
    return found


class _Asker:
    """Losses of the check rows under a condition."""

    def __init__(self, model: AnswerModel, split: EncodedSplit) -> None:
        self._model, self._split = model, split
        self.skills: list[Skill] = model.modular.adapter.skills()
        self.num_tasks = len(split.examples)
        self.can_switch = model.modular.adapter.can_switch_off
        self._device = model.modular.device

    def losses(self, condition: Callable[[], AbstractContextManager[Any]] = nullcontext, shift: int = 0) -> Losses:
        """By task the mean loss of every row, [R]; with `shift` task t answers with the row of task t + shift."""
        return self._losses(condition, shift, self._split.packed)

    def untouched(self) -> Losses:
        """Without the adapter; a call without it keeps no examples apart, so they stand in rows of their own."""
        return self._losses(self._model.modular.disabled, 0, False)

    @torch.no_grad()
    def _losses(self, condition: Callable[[], AbstractContextManager[Any]], shift: int, packed: bool) -> Losses:
        found = [np.full(min(ROWS, len(rows)), np.nan) for rows in self._split.examples]
        for places in self._groups():
            batch = self._split.pack(places) if packed else self._split.collate(places)
            batch["task_ids"] = [(task + shift) % self.num_tasks for task in batch["task_ids"]]
            moved = to_device(batch, self._device)
            with condition():
                losses = self._model(moved).double().cpu()
            owners = batch["examples_of_tokens"]
            sums = torch.zeros(len(places), dtype=torch.float64).index_add_(0, owners, losses)
            means = sums / torch.bincount(owners, minlength=len(places)).clamp(min=1)
            for (task, row), value in zip(places, means.tolist(), strict=True):
                found[task][row] = value
        return found

    def _groups(self) -> Iterator[list[tuple[int, int]]]:
        for places in self._split.groups(ROWS):
            asked = [place for place in places if place[1] < ROWS]
            if asked:
                yield asked

    @contextmanager
    def without(self, columns: Iterable[int]) -> Iterator[None]:
        with ExitStack() as stack:
            for column in columns:
                stack.enter_context(self._model.modular.adapter.switch_off(column))
            yield


def _without(asker: _Asker, own: Losses) -> dict[str, Any]:
    """Cells of all skills, and of all common and of all private ones at once."""
    tasks, count = range(asker.num_tasks), len(asker.skills)
    cells: list[list[Cell]] = [[None] * count for _ in tasks]
    nothing: list[Cell] = [None] * asker.num_tasks
    if not asker.can_switch:
        return {"cells": cells, "without_common": nothing, "without_private": nothing}
    common = [column for column, skill in enumerate(asker.skills) if skill.task is None]
    for column in common:
        changed = _changes(asker, own, [column])
        for task in tasks:
            cells[task][column] = changed[task]
    for columns in _private_rounds(asker.skills):
        changed = _changes(asker, own, columns)
        for column in columns:
            owner = asker.skills[column].task
            assert owner is not None
            cells[owner][column] = changed[owner]
    private = [column for column in range(count) if column not in common]
    return {
        "cells": cells,
        "without_common": _changes(asker, own, common) if common else nothing,
        "without_private": _changes(asker, own, private) if private else nothing,
    }


def _private_rounds(skills: Sequence[Skill]) -> list[list[int]]:
    """Private skills that can be switched off in one pass: one of each task."""
    by_task: dict[int, list[int]] = {}
    for column, skill in enumerate(skills):
        if skill.task is not None:
            by_task.setdefault(skill.task, []).append(column)
    longest = max((len(columns) for columns in by_task.values()), default=0)
    return [[columns[i] for columns in by_task.values() if i < len(columns)] for i in range(longest)]


def _changes(asker: _Asker, own: Losses, columns: Sequence[int]) -> list[Cell]:
    found = asker.losses(lambda: asker.without(columns))
    return [change_of(before, after) for before, after in zip(own, found, strict=True)]


def _borrowed(asker: _Asker, own: Losses) -> list[list[Cell]]:
    """[task][whose row it answers with]; None on the diagonal."""
    cells: list[list[Cell]] = [[None] * asker.num_tasks for _ in own]
    for shift in range(1, asker.num_tasks):
        for task, (before, after) in enumerate(zip(own, asker.losses(shift=shift), strict=True)):
            cells[task][(task + shift) % asker.num_tasks] = change_of(before, after)
    return cells


def change_of(before: NDArray[np.float64], after: NDArray[np.float64]) -> Cell:
    """Mean paired difference with its 95 % t interval; one row has no interval (low -inf is written as None)."""
    difference = (after - before)[np.isfinite(after - before)]
    if not len(difference):
        return None
    mean = float(difference.mean())
    if len(difference) < 2:
        return {"value": _rounded(mean)}
    half = float(stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / math.sqrt(len(difference)))
    return {"value": _rounded(mean), "low": _rounded(mean - half), "high": _rounded(mean + half)}


def _mean(losses: NDArray[np.float64]) -> float | None:
    return _rounded(float(losses.mean())) if len(losses) else None


def _rounded(value: float) -> float:
    return round(value, 7)

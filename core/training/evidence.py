"""What every skill does to every task: how its loss changes without the skill, and with another task's row.

Weights tell what a task mixes, not what it needs. So after training the check rows are asked again under other
conditions, all tasks side by side in each pass:

    own; the untouched base model; without one common skill (one pass each, for all tasks); without all common
    skills; without the tasks' own private skills; every task with the row of its k-th nearest task (T - 1 passes,
    at most MOST_BORROWED). In all T + A + 4 passes over a few rows of each task; and one forward and
    back for what they pull at (core/training/pull.py).

Every cell is the mean over a task's rows of a paired difference in nats per answer token, with its 95 % t interval;
above 0 the task is worse off. Equal, by construction, to setting the skill's factors to zero (Knock-out).

Legend: T tasks, S skills, R rows of a task.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from core.adapters.allocation_metrics import distinctness
from core.adapters.skill import Skill
from core.base.errors import short_detail
from core.base.files import write_json_atomic
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit
from core.training.pull import measure_pull
from core.training.reporting import CANCEL, PAUSE, STOP, RunCancelled, RunPaused, telling_passes
from core.training.validation import to_device
from core.training.work import RunWork

ROWS = 16  # of a task; the exam has several times as many and writes its answers token by token
ROWS_OF_ALL, FEWEST_ROWS = 1200, 4  # of all tasks: with hundreds of them each is asked fewer, as many as tell
AT_ONCE = 16  # rows of a batch
MOST_BORROWED = 24  # rows of others that a task answers with: its nearest by the allocation
VERSION = 3
Losses = list[NDArray[np.float64]]  # by task: nats per answer token of each row
Cell = dict[str, float] | None
OnPass = Callable[[int, int], None]  # (passes over the rows so far, passes in all)


class _EnoughWeighed(Exception):
    """The user wants what is there."""


def weigh_skills(work: RunWork, tasks: Sequence[str], stopped: bool = False) -> None:
    """A run's evidence behind its training and exam. The run is whole without it: where memory or the model fails
    at it, that is said, and it can be asked for later. `stopped`: the user's stop was obeyed already.

    Raises:
        RunCancelled, RunPaused: the user's wishes; a stop leaves the evidence out.
    """
    journal = work.journal
    tell = telling_passes(journal)

    def on_pass(done: int, total: int) -> None:
        wish = journal.wish()
        if wish == CANCEL:
            raise RunCancelled
        if wish == PAUSE:
            raise RunPaused
        if wish == STOP and not stopped:
            raise _EnoughWeighed
        tell(done, total)

    journal.progress(stage="evidence", message_key="run.weighing", message_values={}, eta_s=None, eta_range_s=None)
    try:
        write_evidence(work.paths.evidence_path, work.model, work.validation, tasks, on_pass)
    except _EnoughWeighed:
        return
    except (MemoryError, RuntimeError) as error:
        traceback.print_exc()
        journal.event("notice", key="training.not_weighed", values={"detail": short_detail(error)})


def write_evidence(
    path: Path, model: AnswerModel, split: EncodedSplit, tasks: Sequence[str], on_pass: OnPass = lambda *_: None
) -> None:
    """A run's evidence.json, see `measure_evidence`; nothing where there is not one check row."""
    if any(split.examples):
        write_json_atomic(path, measure_evidence(model, split, tasks, on_pass))


def measure_evidence(
    model: AnswerModel, split: EncodedSplit, tasks: Sequence[str], on_pass: OnPass = lambda *_: None
) -> dict[str, Any]:
    """Returns:
    {version, tasks, skills, rows [T], own [T], base [T], cells [T][S], without_common [T], without_private [T],
    borrowed [T][T], places [T][R], row_changes, pull}; a cell is {value, low, high} or None where nothing can
    change: another task's private skill, a method whose skills cannot be switched off, a task without check rows,
    a row that was not tried. places: which check rows were asked; row_changes: {cells, without_common,
    without_private, borrowed} of the same shapes with each row's own change, [R]; pull: see
    `measure_pull`, not there where that failed.
    """
    asker = _Asker(model, split, on_pass)
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
            **_told({**_without(asker, own), "borrowed": _borrowed(asker, own)}),
            "places": [kept[: len(losses)] for kept, losses in zip(split.kept, own, strict=True)],
        }
        pull = measure_pull(model, split)
        found |= {} if pull == {} else {"pull": pull}  # what failed can be asked for again
    finally:
        model.train(was_training)
    return found


class _Asker:
    """Losses of the check rows under a condition."""

    def __init__(self, model: AnswerModel, split: EncodedSplit, on_pass: OnPass) -> None:
        self._model, self._split, self._on_pass, self._done = model, split, on_pass, 0
        self.skills: list[Skill] = model.modular.adapter.skills()
        self.num_tasks = len(split.examples)
        self.num_rows = min(ROWS, max(FEWEST_ROWS, ROWS_OF_ALL // max(1, self.num_tasks)))
        self.can_switch = model.modular.adapter.can_switch_off
        self._device = model.modular.device

    @property
    def passes(self) -> int:
        """How often all rows are read: as they are, without anything, without each and each kind, with others'."""
        common = sum(skill.task is None for skill in self.skills)
        switched = common + len(_private_rounds(self.skills)) + (common > 0) + (common < len(self.skills))
        return 2 + (switched if self.can_switch else 0) + min(self.num_tasks - 1, MOST_BORROWED)

    def losses(
        self, condition: Callable[[], AbstractContextManager[Any]] = nullcontext, rows: Sequence[int] | None = None
    ) -> Losses:
        """By task the mean loss of every row, [R]; with `rows` task t answers with the row of task rows[t]."""
        return self._losses(condition, rows, self._split.packed)

    def untouched(self) -> Losses:
        """Without the adapter; a call without it keeps no examples apart, so they stand in rows of their own."""
        return self._losses(self._model.modular.disabled, None, False)

    @torch.no_grad()
    def _losses(
        self, condition: Callable[[], AbstractContextManager[Any]], rows: Sequence[int] | None, packed: bool
    ) -> Losses:
        self._on_pass(self._done, self.passes)
        self._done += 1
        found = [np.full(min(self.num_rows, len(rows)), np.nan) for rows in self._split.examples]
        for places in self._split.groups(AT_ONCE, self.num_rows):
            batch = self._split.pack(places) if packed else self._split.collate(places)
            if rows is not None:
                batch["task_ids"] = [rows[task] for task in batch["task_ids"]]
            moved = to_device(batch, self._device)
            with condition():
                losses = self._model(moved).double().cpu()
            owners = batch["examples_of_tokens"]
            sums = torch.zeros(len(places), dtype=torch.float64).index_add_(0, owners, losses)
            means = sums / torch.bincount(owners, minlength=len(places)).clamp(min=1)
            for (task, row), value in zip(places, means.tolist(), strict=True):
                found[task][row] = value
        return found

    def nearest(self) -> list[list[int]]:
        """For every task the others, those whose rows of the allocation lean the same way first."""
        common = [column for column, skill in enumerate(self.skills) if skill.task is None]
        rows = self._model.modular.adapter.allocation().astype(np.float64)[:, :, common].transpose(1, 0, 2)
        order = np.argsort(-distinctness(rows.reshape(self.num_tasks, -1)), axis=1, kind="stable")
        return [[int(other) for other in found if other != task] for task, found in enumerate(order)]

    @contextmanager
    def without(self, columns: Iterable[int]) -> Iterator[None]:
        with ExitStack() as stack:
            for column in columns:
                stack.enter_context(self._model.modular.adapter.switch_off(column))
            yield


@dataclass(frozen=True)
class _Changed:
    """What became of a task's rows."""

    cell: Cell
    rows: list[float]


def _told(found: dict[str, Any]) -> dict[str, Any]:
    """Cells, and under row_changes their rows."""

    def part(value: Any, name: str) -> Any:
        if isinstance(value, list):
            return [part(one, name) for one in value]
        return None if value is None else getattr(value, name)

    row_changes = {name: part(value, "rows") for name, value in found.items()}
    return {name: part(value, "cell") for name, value in found.items()} | {"row_changes": row_changes}


def _without(asker: _Asker, own: Losses) -> dict[str, Any]:
    """Cells of all skills, and of all common and of all private ones at once."""
    tasks, count = range(asker.num_tasks), len(asker.skills)
    cells: list[list[_Changed | None]] = [[None] * count for _ in tasks]
    nothing: list[_Changed | None] = [None] * asker.num_tasks
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


def _changes(asker: _Asker, own: Losses, columns: Sequence[int]) -> list[_Changed]:
    return _compared(own, asker.losses(lambda: asker.without(columns)))


def _compared(before: Losses, after: Losses) -> list[_Changed]:
    pairs = zip(before, after, strict=True)
    return [_Changed(change_of(old, new), [round(float(v), 4) for v in new - old]) for old, new in pairs]


def _borrowed(asker: _Asker, own: Losses) -> list[list[_Changed | None]]:
    """[task][whose row it answers with]; None on the diagonal and for rows that are too far to be tried."""
    count = asker.num_tasks
    cells: list[list[_Changed | None]] = [[None] * count for _ in own]
    nearest = asker.nearest()
    for place in range(min(count - 1, MOST_BORROWED)):
        rows = [order[place] for order in nearest]
        for task, changed in enumerate(_compared(own, asker.losses(rows=rows))):
            cells[task][rows[task]] = changed
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

"""Editing a task's rows by hand: add, change, delete, and corrections that come from the chat or the results.

Every edit is a version of the task and can be undone. Rows added here name their source in the column ORIGIN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.base.errors import SettingError
from core.tasks.cell_text import input_text, plain_value, target_text
from core.tasks.changing.dealing import SplitRow
from core.tasks.changing.versions import change_rows, read_all_rows
from core.tasks.dataset import target_cells
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import get_task, task_dir
from core.workspace import Project

ORIGIN = "(origin)"
HAND, CHAT = "by hand", "chat"

Place = tuple[str, int]  # split, line


def add_rows(
    project: Project, name: str, rows: Sequence[Mapping[str, Any]], split: str = "train", origin: str = HAND
) -> TaskSpec:
    """Adds rows at the end of a split; columns that a row leaves out are empty.

    Raises:
        SettingError: an unknown column or split. TaskFileError: no usable row in the task.
    """
    spec = get_task(project, name)
    if split not in SPLITS:
        raise SettingError("registry.unknown", kind="split", name=split, known=", ".join(SPLITS))
    known = read_all_rows(task_dir(project, spec.task_id))
    line = max((r.line for r in known), default=1)
    fresh = []
    for row in rows:
        _require_columns(spec, row)
        line += 1
        values = {c: plain_value(row.get(c, "")) for c in spec.columns}
        fresh.append(SplitRow(split, line, {**values, ORIGIN: origin}))
    return change_rows(project, spec.task_id, known + fresh, "add_rows", len(fresh))


@dataclass(frozen=True)
class Correction:
    """The task after a correction, and what it did: "added" a practice row, "replaced" the answer of one, only
    changed the "check" set, or nothing, where practice ("known") or the check set alone ("check_known") said so."""

    task: TaskSpec
    how: str


def add_correction(
    project: Project, name: str, row: Mapping[str, Any], answer: str, origin: str = CHAT
) -> Correction:
    """A corrected answer is what practice and check set say of its question from now on: rows with the inputs of
    `row` get `answer` as the target, since an added row would only contradict them; without any, a practice row is
    added. A question of the check set alone stays out of practice, or it would no longer check anything."""
    spec = get_task(project, name)
    targets = target_cells(spec, answer)
    rows, asked = read_all_rows(task_dir(project, spec.task_id)), _asked(spec, row)
    same = [i for i, r in enumerate(rows) if r.split != "test" and _asked(spec, r.row) == asked]
    if not same:
        values = {c: row.get(c, "") for c in spec.inputs} | targets
        return Correction(add_rows(project, spec.task_id, [values], "train", origin), "added")
    wrong = [i for i in same if any(target_text(rows[i].row.get(c)) != target_text(v) for c, v in targets.items())]
    if not wrong:
        return Correction(spec, "known" if any(rows[i].split == "train" for i in same) else "check_known")
    how = "replaced" if any(rows[i].split == "train" for i in wrong) else "check"
    for i in wrong:
        rows[i] = rows[i]._replace(row={**rows[i].row, **targets, ORIGIN: origin})
    return Correction(change_rows(project, spec.task_id, rows, "edit_row", len(wrong)), how)


def _asked(spec: TaskSpec, row: Mapping[str, Any]) -> list[str]:
    return [input_text(row.get(name)).strip() for name in spec.inputs]


def edit_row(project: Project, name: str, place: Place, changes: Mapping[str, Any]) -> TaskSpec:
    """Changes cells of one row.

    Raises:
        SettingError: no such row or column.
    """
    spec = get_task(project, name)
    _require_columns(spec, changes)
    rows = read_all_rows(task_dir(project, spec.task_id))
    index = _find(rows, place)
    values = {k: plain_value(v) for k, v in changes.items()}
    rows[index] = rows[index]._replace(row={**rows[index].row, **values})
    return change_rows(project, spec.task_id, rows, "edit_row", 1)


def delete_rows(project: Project, name: str, places: Sequence[Place]) -> TaskSpec:
    """Deletes rows by (split, line).

    Raises:
        SettingError: no such row. TaskFileError: nothing would be left to train on.
    """
    spec = get_task(project, name)
    rows = read_all_rows(task_dir(project, spec.task_id))
    dropped = {_find(rows, place) for place in places}
    kept = [r for i, r in enumerate(rows) if i not in dropped]
    return change_rows(project, spec.task_id, kept, "delete_rows", len(dropped))


def move_rows(project: Project, name: str, places: Sequence[Place], split: str) -> TaskSpec:
    """Moves rows to another split."""
    spec = get_task(project, name)
    if split not in SPLITS:
        raise SettingError("registry.unknown", kind="split", name=split, known=", ".join(SPLITS))
    rows = read_all_rows(task_dir(project, spec.task_id))
    for place in places:
        index = _find(rows, place)
        rows[index] = rows[index]._replace(split=split)
    return change_rows(project, spec.task_id, rows, "move_rows", len(places))


def _find(rows: Sequence[SplitRow], place: Place) -> int:
    for index, row in enumerate(rows):
        if (row.split, row.line) == tuple(place):
            return index
    raise SettingError("task.no_row", split=place[0], line=place[1])


def _require_columns(spec: TaskSpec, row: Mapping[str, Any]) -> None:
    for name in row:
        if name not in spec.columns:
            raise SettingError("task.no_column", column=name, known=", ".join(spec.columns))

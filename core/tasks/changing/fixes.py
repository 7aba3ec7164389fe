"""One-click fixes for findings of the health report: rows in, mended rows out. Every one can be undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from core.base.registry import Registry
from core.tasks.changing.dealing import SplitRow
from core.tasks.changing.versions import change_rows, read_all_rows
from core.tasks.dataset import render_prompt, render_target
from core.tasks.health.characters import character_faults, clean_text
from core.tasks.health.labels import has_labels, labels_of
from core.tasks.health.near_duplicates import NearIndex
from core.tasks.health.rows import (
    TaskRows,
    conflicting_rows,
    leaking_rows,
    load_rows,
    majority_answer,
    near_groups,
    repeated_rows,
)
from core.tasks.health.spelling import alike_labels
from core.tasks.health.texts import PERSONAL, kinds_of_row, passes_luhn, personal_data
from core.tasks.spec import TaskSpec
from core.tasks.store import get_task, task_dir
from core.workspace import Project


@dataclass(frozen=True)
class Fixed:
    """Rows after a fix, how many it touched, and fields of the spec that change with it."""

    rows: list[SplitRow]
    count: int
    fields: dict[str, Any]


Fix = Callable[[TaskSpec, list[SplitRow]], Fixed]
KindsIn = Callable[[str], list[str]]
FIXES: Registry[Fix] = Registry("fix")


class Outcome(NamedTuple):
    """The task after a fix, how many rows were dropped or changed (0: nothing was done), how many of the exam."""

    task: TaskSpec
    count: int  # type: ignore[assignment]  # a tuple's own `count` is not needed here
    exam: int


def apply_fix(project: Project, name: str, fix: str) -> Outcome:
    """Applies a fix by name and keeps the old rows as a version (`undo_change` brings them back).

    Raises:
        SettingError: an unknown fix. TaskFileError: no row would be left to train on.
    """
    mend = FIXES.get(fix)
    spec = get_task(project, name)
    rows = read_all_rows(task_dir(project, spec.task_id))
    fixed = mend(spec, rows)
    if not fixed.count:
        return Outcome(spec, 0, 0)
    mended = replace(spec, **fixed.fields)
    exam = _exam_answers(spec, rows) - _exam_answers(mended, fixed.rows)
    changed = change_rows(project, spec.task_id, fixed.rows, fix, fixed.count, **fixed.fields)
    return Outcome(changed, fixed.count, exam.total())


def _exam_answers(spec: TaskSpec, rows: list[SplitRow]) -> Counter[str]:
    """What the final exam asks and expects, so that a change of it never goes unsaid."""
    exam = (r.row for r in rows if r.split == "test")
    return Counter(f"{render_prompt(spec, row)}\x1f{render_target(spec, row)}" for row in exam)


def _side_by_side(spec: TaskSpec, rows: list[SplitRow]) -> TaskRows:
    """The usable rows; their `lines` are positions in `rows`, so that a finding leads back to its row."""
    return load_rows(spec, ((r.split, position, r.row) for position, r in enumerate(rows)))


def _without(rows: list[SplitRow], dropped: set[int]) -> Fixed:
    return Fixed([r for i, r in enumerate(rows) if i not in dropped], len(dropped), {})


def drop_empty(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    return _without(rows, {position for _, position in _side_by_side(spec, rows).empty})


def drop_duplicates(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    table = _side_by_side(spec, rows)
    return _without(rows, {table.lines[i] for i in repeated_rows(table)})


def keep_majority(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    """Of rows that ask the same, those with the most frequent answer stay; where answers are equally frequent,
    nobody here knows which is right, and all stay."""
    table = _side_by_side(spec, rows)
    dropped = set()
    for group in conflicting_rows(table):
        best = majority_answer(table, group)
        dropped |= {table.lines[i] for i in group if best is not None and table.answers[i] != best}
    return _without(rows, dropped)


def drop_leaks(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    table = _side_by_side(spec, rows)
    return _without(rows, {table.lines[i] for i in leaking_rows(table)})


def drop_near_duplicates(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    table = _side_by_side(spec, rows)
    inside, _ = near_groups(table, NearIndex().signatures(table.texts))
    return _without(rows, {table.lines[later] for _, later in inside})


def drop_near_leaks(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    return _without(rows, _near_leaks(spec, rows, "test"))


def drop_near_check_leaks(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    return _without(rows, _near_leaks(spec, rows, "validation"))


def _near_leaks(spec: TaskSpec, rows: list[SplitRow], stricter: str) -> set[int]:
    table = _side_by_side(spec, rows)
    _, across = near_groups(table, NearIndex().signatures(table.texts))
    return {table.lines[leak] for leak, other in across if table.splits[other] == stricter}


def merge_labels(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    """Look-alike labels take the commoner spelling: in the cells that hold nothing else, and through the task's
    label names wherever else they stand or will come from."""
    if not has_labels(spec):
        return Fixed(rows, 0, {})
    table = _side_by_side(spec, rows)
    counts = Counter(x for a in table.answers for x in labels_of(spec, a))
    renamed = dict(alike_labels(counts))
    touched = sum(n for label, n in counts.items() if label in renamed)
    names = {code: renamed.get(label, label) for code, label in spec.label_names.items()}
    if not touched:
        return Fixed(rows, 0, {})
    return Fixed([_respelled(spec, r, renamed) for r in rows], touched, {"label_names": {**renamed, **names}})


def _respelled(spec: TaskSpec, item: SplitRow, renamed: dict[str, str]) -> SplitRow:
    """A cell with one label as its text; a code that a label name stands for, and a list of labels, stay."""
    if len(spec.targets) != 1:
        return item
    (column,) = spec.targets
    cell = item.row.get(column)
    if not isinstance(cell, str) or cell.strip() in spec.label_names or cell.strip() not in renamed:
        return item
    return item._replace(row={**item.row, column: renamed[cell.strip()]})


def _changed(spec: TaskSpec, rows: list[SplitRow], kinds_in: KindsIn, clean: Callable[[str], str]) -> Fixed:
    """The input and answer texts of the rows of the finding through `clean`; no other row is touched."""
    columns = {*spec.inputs, *spec.targets}
    table = _side_by_side(spec, rows)
    found = {table.lines[i] for i in range(len(table.texts)) if kinds_of_row(table, i, kinds_in)}
    mended, count = list(rows), 0
    for position in found:
        item = rows[position]
        row = {k: _deep(v, clean) if k in columns else v for k, v in item.row.items()}
        if row != item.row:
            count += 1
            mended[position] = item._replace(row=row)
    return Fixed(mended, count, {})


def _deep(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    return [_deep(v, clean) for v in value] if isinstance(value, list) else value


def clean_characters(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    return _changed(spec, rows, character_faults, clean_text)


def mask_text(text: str) -> str:
    """E-mail addresses, card, identity and phone numbers and network addresses become their kind in brackets."""
    for kind, pattern in PERSONAL.items():
        if kind == "card":
            text = pattern.sub(lambda m: "[CARD]" if passes_luhn(m.group()) else m.group(), text)
        else:
            text = pattern.sub(f"[{kind.upper()}]", text)
    return text


def mask_personal(spec: TaskSpec, rows: list[SplitRow]) -> Fixed:
    return _changed(spec, rows, personal_data, mask_text)


for _fix in (
    drop_empty,
    drop_duplicates,
    keep_majority,
    drop_leaks,
    drop_near_duplicates,
    drop_near_leaks,
    drop_near_check_leaks,
    merge_labels,
    clean_characters,
    mask_personal,
):
    FIXES.register(_fix.__name__, _fix)

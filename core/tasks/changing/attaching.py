"""A file that came later becomes the final exam or the check set of a task that is there already."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from core.base.errors import SettingError
from core.base.files import write_json_atomic
from core.tasks.cell_text import plain_value
from core.tasks.changing.dealing import SplitRow, input_key
from core.tasks.changing.versions import change_rows, read_all_rows
from core.tasks.dataset import has_input, render_target
from core.tasks.guessing.roles import require_columns
from core.tasks.reading.files import read_table
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import Table
from core.tasks.spec import TaskSpec
from core.tasks.store import PROBLEMS, get_task, stored_problems, task_dir
from core.workspace import Project

PARTS = ("test", "validation")
_UNNAMED = re.compile(r"column_\d+")


@dataclass(frozen=True)
class Attached:
    """`count` rows make the part now; `left_out` rows elsewhere asked the same and were left out."""

    task: TaskSpec
    count: int
    left_out: int


def attach_part(project: Project, name: str, path: Path | str, split: str, file_name: str = "") -> Attached:
    """Makes a file's rows the exam ('test') or the check set ('validation') of a task; a version like any change.

    Rows that were drawn for this part before go back to practice; those of an earlier file are replaced.

    Raises:
        TaskFileError: the file cannot be read, or has not the task's columns.
        SettingError: another split.
    """
    if split not in PARTS:
        raise SettingError("registry.unknown", kind="split", name=split, known=", ".join(PARTS))
    spec, path = get_task(project, name), Path(path)
    folder = task_dir(project, spec.task_id)
    unnamed = all(_UNNAMED.fullmatch(column) for column in spec.columns)
    options = ReadOptions(header=False, column_names=spec.columns) if unnamed else ReadOptions()
    table = read_table(path, options, file_name or path.name)
    require_columns(table, (*spec.inputs, *spec.targets))
    before = read_all_rows(folder)
    rows, count = _with_part(spec, before, table, split)
    own = getattr(spec.source, f"{split}_file")
    returned = sum(1 for r in before if r.split == split) if own else 0
    source = replace(spec.source, **{f"{split}_file": table.name})
    task = change_rows(project, spec.task_id, rows, f"attach_{split}", count, source=source)
    problems = [p.as_dict() for p in (*stored_problems(folder), *table.problems)]
    write_json_atomic(folder / PROBLEMS, problems)
    return Attached(task, count, len(before) + count - returned - len(rows))


def _with_part(spec: TaskSpec, before: list[SplitRow], table: Table, split: str) -> tuple[list[SplitRow], int]:
    """All rows with the new part, and how many it has; a question stays in the strictest part only."""
    own = bool(getattr(spec.source, f"{split}_file"))
    kept = [r._replace(split="train") if r.split == split else r for r in before if not (own and r.split == split)]
    exam = frozenset(input_key(spec, r.row) for r in kept if r.split == "test")
    last = max((r.line for r in kept), default=0) if split == "validation" else 0
    part = [
        SplitRow(split, last + line, {k: plain_value(v) for k, v in row.items()}, line)
        for line, row in zip(table.lines, table.rows, strict=True)
        if input_key(spec, row) not in exam and has_input(spec, row) and render_target(spec, row)
    ]
    asked = frozenset(input_key(spec, r.row) for r in part)
    weaker = {"train"} if split == "validation" else {"train", "validation"}
    others = [r for r in kept if r.split not in weaker or input_key(spec, r.row) not in asked]
    return others + part, len(part)

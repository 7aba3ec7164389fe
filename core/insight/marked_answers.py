"""Answers that somebody marked to look at again: <run>/flags.json, task name -> rows. Torch-free."""

from __future__ import annotations

from pathlib import Path

from core.base.files import read_json, write_json_atomic
from core.insight.results import read_marks, require_answer
from core.runs.folder import RunFolder


def mark_answer(run_dir: Path, task: str, row: int, on: bool = True) -> set[int]:
    """Marks an exam row of a task, or takes the mark away; returns the task's marked rows.

    Raises:
        RunError: no such task, or the row was not answered.
    """
    require_answer(run_dir, task, row)
    path = RunFolder(run_dir).flags_path
    everything = dict(read_json(path)) if path.is_file() else {}
    rows = read_marks(run_dir, task) | {row} if on else read_marks(run_dir, task) - {row}
    write_json_atomic(path, {**everything, task: sorted(rows)})
    return rows


def is_marked(run_dir: Path, task: str, row: int) -> bool:
    return row in read_marks(run_dir, task)

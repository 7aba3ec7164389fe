"""From a wrong right answer in the exam back to the task's data, as an edit that the Tasks screen can undo.

The row is found by its split and line and must still read as it did when the run was made. It may stay an exam row,
or become a practice row; then it leaves the exam, since a model must not be examined on what it has practised.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.base.errors import RunError, SettingError, WorkspaceError
from core.insight.results import read_task_records, require_answer
from core.tasks.changing.in_child import edit_row_in_child, move_rows_in_child
from core.tasks.dataset import render_prompt, target_cells
from core.tasks.spec import TaskSpec
from core.tasks.store import get_task, read_rows, task_dir
from core.workspace import Project

EXAM, PRACTICE = "exam", "practice"
PLACES = (EXAM, PRACTICE)


def correct_answer(
    project: Project, run_dir: Path, task: str, row: int, answer: str | None, place: str = EXAM
) -> TaskSpec:
    """Changes the right answer of an exam row in the task's data (None: leaves it), and where the row belongs.

    Raises:
        RunError: the row was not answered, the task is gone, or the row has changed since the run was made.
        SettingError: an unknown place, or an answer that does not have the task's parts.
    """
    if place not in PLACES:
        raise SettingError("registry.unknown", kind="place", name=place, known=", ".join(PLACES))
    record = require_answer(run_dir, task, row)
    spec = _find_task(project, run_dir, task)
    line = int(record["line"])
    _require_same_row(project, spec, line, record)
    changed = answer is not None and answer.strip() != record["target"].strip()
    if not changed and place == EXAM:
        raise RunError("insight.same_answer", answer=record["target"])
    if changed:
        spec = edit_row_in_child(project, spec.task_id, ("test", line), target_cells(spec, str(answer).strip()))
    return move_rows_in_child(project, spec.task_id, [("test", line)], "train") if place == PRACTICE else spec


def _find_task(project: Project, run_dir: Path, task: str) -> TaskSpec:
    task_id = next(str(r["task_id"]) for r in read_task_records(run_dir) if r["name"] == task)
    try:
        return get_task(project, task_id)
    except WorkspaceError as error:
        raise RunError("insight.task_gone", task=task) from error


def _require_same_row(project: Project, spec: TaskSpec, line: int, record: dict[str, Any]) -> None:
    rows = read_rows(task_dir(project, spec.task_id), "test")
    found = next((row for number, row in rows if number == line), None)
    if found is None or render_prompt(spec, found) != record["prompt"]:
        raise RunError("insight.row_changed", line=line, task=spec.name)

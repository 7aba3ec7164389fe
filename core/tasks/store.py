"""Tasks on disk: <project>/tasks/<task id>/{task.json, train.jsonl, validation.jsonl, test.jsonl, problems.json}.
Beside them doubts.json while it is open how the file is meant. <project>/annotation/<task id>.json holds questions
of a file without answers (`core.insight.annotation`) and is removed with its task.

A row file holds one {"line": n, "row": {...}} a line with all columns of the file, so that roles can change later.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from core.base.errors import Problem, TaskloomError, WorkspaceError
from core.base.files import inside, require_id, write_json_atomic
from core.base.folders import remove_folder
from core.base.records import read_record
from core.tasks.reading.readings import Doubt
from core.tasks.spec import TaskSpec, read_spec
from core.workspace import Project

DOUBTS = "doubts.json"
PROBLEMS = "problems.json"
RETRIES = 5

NumberedRow = tuple[int, dict[str, Any]]


def not_writable(folder: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError("workspace.read_only", path=str(folder), detail=error.strerror or "")


def task_dir(project: Project, task_id: str) -> Path:
    return inside(project.tasks_dir, require_id(task_id))


def annotation_path(project: Project, task_id: str) -> Path:
    """Where the rows to annotate next stand; beside the tasks, since they are no part of a task's versions."""
    return inside(project.tasks_dir.parent / "annotation", require_id(task_id) + ".json")


@dataclass(frozen=True)
class DamagedTask:
    """A task whose description cannot be read: the id of its folder and why."""

    task_id: str
    error: TaskloomError


def list_tasks(project: Project) -> list[TaskSpec]:
    """From the first added to the last, without those that cannot be read (`list_damaged_tasks`)."""
    return read_tasks(project)[0]


def list_damaged_tasks(project: Project) -> list[DamagedTask]:
    """What stands among a project's tasks and cannot be read."""
    return read_tasks(project)[1]


def read_tasks(project: Project) -> tuple[list[TaskSpec], list[DamagedTask]]:
    """Those that can be read, from the first added to the last, and the others."""
    found, broken = [], []
    for path in sorted(project.tasks_dir.glob("*/task.json")):
        if path.parent.name.startswith("."):
            continue
        try:
            spec = _spec_of(path.parent)
        except TaskloomError as error:
            broken.append(DamagedTask(path.parent.name, error))
            continue
        if spec is not None:
            found.append(spec)
    return sorted(found, key=lambda spec: (spec.created, spec.task_id)), broken


def _spec_of(folder: Path) -> TaskSpec | None:
    """None for a task that was removed just now; one that is being replaced comes back within moments."""
    for _ in range(RETRIES):
        with contextlib.suppress(FileNotFoundError):
            return read_spec(folder)
        time.sleep(0.02)
    return None


def get_task(project: Project, name_or_id: str) -> TaskSpec:
    tasks = list_tasks(project)
    for spec in tasks:
        if name_or_id in (spec.task_id, spec.name):
            return spec
    known = ", ".join(t.name for t in tasks) or "(none yet)"
    raise WorkspaceError("workspace.no_task", project=project.name, name=name_or_id, known=known)


def remove_task(project: Project, name_or_id: str) -> TaskSpec:
    """Removes the task, its rows and those to annotate next; runs keep their own copy of the rows."""
    spec = get_task(project, name_or_id)
    _remove(project, spec.task_id)
    return spec


def remove_damaged_task(project: Project, task_id: str) -> None:
    """Removes what is left of a task that cannot be read.

    Raises:
        WorkspaceError: no damaged task has this id; its folder cannot be removed.
    """
    known = [task.task_id for task in list_damaged_tasks(project)]
    if task_id not in known:
        listed = ", ".join(known) or "(none)"
        raise WorkspaceError("workspace.no_task", project=project.name, name=task_id, known=listed)
    _remove(project, task_id)


def _remove(project: Project, task_id: str) -> None:
    try:
        annotation_path(project, task_id).unlink(missing_ok=True)
        remove_folder(task_dir(project, task_id))
    except OSError as error:
        raise not_writable(project.tasks_dir, error) from error


def write_rows(path: Path, rows: Iterable[NumberedRow]) -> None:
    with open(path, "wb") as file:
        for line, row in rows:
            file.write(orjson.dumps({"line": line, "row": row}, option=orjson.OPT_APPEND_NEWLINE))


def read_rows(folder: Path, split: str) -> Iterator[NumberedRow]:
    """Rows of one split of a stored task.

    Raises:
        WorkspaceError: the file is missing or damaged.
    """
    path = folder / f"{split}.jsonl"
    try:
        with open(path, "rb") as file:
            for text in file:
                record = orjson.loads(text)
                yield record["line"], record["row"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError("workspace.damaged", path=str(path), detail=str(error)) from error


def read_problems(project: Project, name_or_id: str) -> list[Problem]:
    """What was noted when the task was imported."""
    return stored_problems(task_dir(project, get_task(project, name_or_id).task_id))


def stored_problems(folder: Path) -> list[Problem]:
    path = folder / PROBLEMS
    if not path.is_file():
        return []
    return read_record(list[Problem], path)


def read_doubts(project: Project, name_or_id: str) -> list[Doubt]:
    """Questions about how the task's file was read that nobody has answered yet."""
    path = task_dir(project, get_task(project, name_or_id).task_id) / DOUBTS
    return read_record(list[Doubt], path) if path.is_file() else []


def write_doubts(folder: Path, doubts: Sequence[Doubt]) -> None:
    """Keeps the open questions of a task; none leave no file."""
    if doubts:
        write_json_atomic(folder / DOUBTS, [asdict(doubt) for doubt in doubts])
    else:
        (folder / DOUBTS).unlink(missing_ok=True)

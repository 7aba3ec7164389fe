"""An open question about how a task's file is meant, answered: the task keeps its reading or gets the other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.base.errors import TaskFileError
from core.tasks.changing.add_task import update_task
from core.tasks.changing.domain import read_again
from core.tasks.changing.resplit import changes_with
from core.tasks.reading.readings import Doubt
from core.tasks.spec import TaskSpec
from core.tasks.store import get_task, read_doubts, task_dir, write_doubts
from core.workspace import Project


def settle_doubt(
    project: Project, name: str, doubt: Doubt, other: bool, path: Path | str = "", paths: Sequence[Path | str] = ()
) -> TaskSpec:
    """Answers one open question of a task.

    Args:
        other: take the other reading; else the question is closed and the task stays as it is.
        path: the file as it was dropped, to read it again; not needed where only columns or the kind differ.
        paths: what was dropped together with it.

    Raises:
        TaskFileError, SettingError: as `read_again` and `update_task`.
    """
    spec = get_task(project, name)
    left = [item for item in read_doubts(project, spec.task_id) if item != doubt]
    side = doubt.other if other else doubt.taken
    is_of_columns = bool(side.inputs or side.kind)
    if other and not is_of_columns:
        if not Path(path).is_file():
            raise TaskFileError("reading.file_gone", file=spec.source.file)
        return read_again(project, path, asdict(doubt.other.options), paths)
    folder = task_dir(project, spec.task_id)
    changes, follows = changes_with(folder, spec, side) if is_of_columns else ({}, None)
    write_doubts(folder, left if follows is None else [*left, follows])
    return update_task(project, spec.task_id, changes) if other else spec

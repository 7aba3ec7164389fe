"""An open question about how a task's file is meant, answered: the task keeps its reading or gets the other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.base.errors import TaskFileError
from core.tasks.changing.add_task import update_task
from core.tasks.changing.domain import read_again
from core.tasks.changing.resplit import changes_with_roles
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
        path: the file as it was dropped, to read it again; not needed where only roles of columns differ.
        paths: what was dropped together with it.

    Raises:
        TaskFileError, SettingError: as `read_again` and `update_task`.
    """
    spec = get_task(project, name)
    left = [item for item in read_doubts(project, spec.task_id) if item != doubt]
    if other and doubt.about != "roles":
        if not Path(path).is_file():
            raise TaskFileError("reading.file_gone", file=spec.source.file)
        return read_again(project, path, asdict(doubt.other.options), paths)
    write_doubts(task_dir(project, spec.task_id), left)
    if not other:
        return spec
    folder = task_dir(project, spec.task_id)
    return update_task(
        project, spec.task_id, changes_with_roles(folder, spec, doubt.other.inputs, doubt.other.targets)
    )

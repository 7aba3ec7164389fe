"""What a page that many visitors share refuses: models off the list, reports to elsewhere, more than a fair share.

On one's own machine every function here lets everything pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.shell.context import Context
from app.shell.selection import Selection
from core.base.errors import Problem, SettingError
from core.models.known_models import CATALOGUE
from core.models.store import list_stored, stored_folder
from core.runs.folder import RunFolder
from core.runs.job_folder import JobFolder
from core.runs.quotas import (
    counted_alone,
    limit_time,
    remember_job,
    remember_runs,
    require_another_project,
    require_another_run,
    require_space,
)
from core.training.config import RunConfig
from core.workspace import Project

SHARED_CHOICES = {
    "base_model": tuple(model.model_id for model in CATALOGUE),
    "report_to": ("none",),
    "num_processes": (1,),
    "num_machines": (1,),
    "rendezvous": (None,),
}


def shared_problems(context: Context, config: RunConfig) -> list[Problem]:
    """Settings that one's own machine may have and a shared page may not; none on one's own machine."""
    if not context.shared:
        return []
    stored = [record.name for record in list_stored()]
    own = {**SHARED_CHOICES, "base_model": (*SHARED_CHOICES["base_model"], *stored)}
    if config.base_model in [str(stored_folder(name)) for name in stored]:  # as a run keeps it
        own.pop("base_model")
    return [
        Problem(name, "setting.choice", {"name": name, "value": getattr(config, name), "choices": _listed(choices)})
        for name, choices in own.items()
        if getattr(config, name) not in choices
    ]


@contextmanager
def counting(context: Context, selection: Selection) -> Iterator[None]:
    """Around a check of the visitor's share and the beginning of what takes it: eight clicks at once are eight
    counts, one after the other.

    Raises:
        RunError: another beginning of theirs takes too long.
    """
    if not context.shared:
        yield
        return
    with counted_alone(context.workspace, selection.owner):
        yield


def shared_config(context: Context, selection: Selection, config: RunConfig) -> RunConfig:
    """The config a run starts with; checked again at the start, since a request need not come from our form. On a
    shared page it gets the visitor's remaining minutes as its time limit.

    Raises:
        SettingError: a setting that a shared page refuses. RunError, WorkspaceError: the share is used up.
    """
    for problem in shared_problems(context, config):
        raise SettingError(problem.key, **problem.values)
    if not context.shared:
        return config
    return limit_time(config, require_another_run(context.workspace, selection.owner, context.quota))


def require_shared_resume(context: Context, selection: Selection, folder: RunFolder) -> None:
    """Before a run of one's own goes on, or starts again with other settings.

    Raises:
        SettingError, RunError, WorkspaceError: as `shared_config`.
    """
    if context.shared:
        shared_config(context, selection, folder.read_config())


def shared_job_seconds(context: Context, selection: Selection, place: Path, job: Path) -> float | None:
    """Before a job about a run or project (`place`) begins in the folder `job`: how long it may work, None on one's
    own machine. It is one of the visitor's runs at work, and what the last one of this folder took stays counted.

    Raises:
        SettingError, RunError, WorkspaceError: as `shared_config`.
    """
    if not context.shared:
        return None
    if (folder := RunFolder(place)).config_path.is_file():
        for problem in shared_problems(context, folder.read_config()):
            raise SettingError(problem.key, **problem.values)
    minutes = require_another_run(context.workspace, selection.owner, context.quota)
    remember_job(context.workspace, selection.owner, JobFolder(job))
    return 60 * minutes


def require_shared_space(context: Context, selection: Selection) -> None:
    """Before files of a visitor are stored.

    Raises:
        WorkspaceError: the visitor's share of the disk is used up.
    """
    if context.shared:
        require_space(context.workspace, selection.owner, context.quota)


def require_shared_project(context: Context, selection: Selection) -> None:
    """Before a visitor's project is made.

    Raises:
        WorkspaceError: the visitor has enough projects already.
    """
    if context.shared:
        require_another_project(context.workspace, selection.owner, context.quota)


def note_deletion(context: Context, project: Project, run_ids: list[str] | None = None) -> None:
    """Keeps the minutes of runs that are about to be deleted (all of the project when None)."""
    if context.shared:
        remember_runs(context.workspace, project, run_ids)


def _listed(choices: tuple[object, ...]) -> str:
    return ", ".join(str(choice) for choice in choices)

"""Making, listing and deleting runs."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.errors import Problem, RunError, WorkspaceError
from core.base.files import inside, new_id, require_id, write_json_atomic
from core.base.folders import remove_folder, whole_folder
from core.models.catalogue import anchor_model
from core.runs.device_lease import forget_holders
from core.runs.folder import RunFolder
from core.runs.frozen import check_frozen, keep_frozen
from core.runs.launchers import LOCAL
from core.runs.liveness import run_state
from core.runs.memory_limit import check_memory_limit
from core.runs.prediction import find_prediction
from core.runs.queue_db import RunQueue
from core.runs.states import DRAFT, RunStatus
from core.tasks.dataset import TaskDataset, save_dataset
from core.training.checks import check_run
from core.training.config import RunConfig
from core.training.plan import load_run_dataset
from core.workspace import Project, Workspace, require_label

OF_THIS_MACHINE = (
    "check.device",
    "check.cards",
    "run.no_rendezvous",
)  # other engines give a meeting place or refuse
_TOLD = ("task_id", "name", "kind", "metric", "version", "num_train", "num_validation", "num_test")  # of a task


def create_run(
    project: Project,
    config: RunConfig,
    task_names: list[str] | None = None,
    name: str | None = None,
    part_of: str | None = None,
    is_far: bool = False,
) -> RunFolder:
    """Checks everything, freezes a copy of the tasks, and makes the run's folder in state draft.

    `is_far`: it will train on another machine, of whose cards and speed nothing is known here. `part_of` marks a
    run that something larger makes for itself (`study:<id>`, `leaveout:<run id>`), not a person.

    Raises:
        RunError: the checks found problems; `values["problems"]` holds all of them as dictionaries.
        WorkspaceError: the folder cannot be written.
    """
    dataset = load_run_dataset(project, config, task_names)
    expected = require_ready(config, dataset, project.runs_dir, is_far=is_far)
    config = replace(config, base_model=anchor_model(config.base_model))
    run_id = new_id("r")
    label = require_label(name) if name else _free_name(project)
    final = inside(project.runs_dir, run_id)
    try:
        with whole_folder(final) as building:
            fill_run(RunFolder(building), label, config, dataset, {"run_id": run_id, "part_of": part_of})
            if expected is not None:
                write_json_atomic(RunFolder(building).prediction_path, expected)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(final), detail=error.strerror or "") from error
    return RunFolder(final)


def require_ready(
    config: RunConfig, dataset: TaskDataset, runs_dir: Path, kept: RunFolder | None = None, is_far: bool = False
) -> dict[str, Any] | None:
    """What is expected of a run that may start, as prediction.json holds it; None where nothing is known. `kept`:
    as in `check_frozen`.

    Raises:
        RunError: all problems of `check_run` that stop a run, or more memory than a run may take.
    """
    problems = [*check_run(config, dataset, runs_dir), *check_frozen(runs_dir, config, kept)]
    _raise_errors([p for p in problems if not is_far or p.key not in OF_THIS_MACHINE])
    if is_far:
        return None
    expected = find_prediction(runs_dir.parent, config, dataset)
    _raise_errors(check_memory_limit(expected, config))
    return expected


def _raise_errors(problems: list[Problem]) -> None:
    errors = [p for p in problems if p.severity == "error"]
    if errors:
        listed = "; ".join(f"{p.message} {p.hint}".strip() for p in errors)
        raise RunError("run.not_ready", count=len(errors), listed=listed, problems=[p.as_dict() for p in errors])


def list_runs(project: Project) -> list[RunFolder]:
    """The runs of a project, newest first."""
    if not project.runs_dir.is_dir():
        return []
    found = [p for p in project.runs_dir.iterdir() if not p.name.startswith(".") and RunFolder(p).run_path.exists()]
    return [RunFolder(path) for path in sorted(found, key=lambda p: p.name, reverse=True)]


def require_ended(folder: RunFolder) -> None:
    """
    Raises:
        RunError: the run is still at work.
    """
    status = run_state(folder)
    if status.is_live:
        raise RunError("run.still_live", name=folder.run_id, state=status.state)


def delete_run(folder: RunFolder) -> None:
    """Removes a run with everything in it.

    Raises:
        RunError: the run is still at work.
    """
    require_ended(folder)
    path = inside(folder.path.resolve().parent, require_id(folder.run_id))
    RunQueue(folder.workspace_dir).forget(path)
    remove_folder(path)


def delete_project(workspace: Workspace, project: Project) -> None:
    """Removes a project with its tasks and runs, and what the queue and the leases remember of them. The caller has
    stopped its runs."""
    forget_holders(workspace.root, {folder.run_id for folder in list_runs(project)})
    workspace.delete_project(project)
    queue = RunQueue(workspace.root)
    if queue.path.exists():
        queue.forget_project(project.project_id)


def discard_draft(folder: RunFolder) -> None:
    """Removes a run that was made and never started."""
    if folder.read_status().state == DRAFT and not folder.is_alive():
        shutil.rmtree(folder.path, ignore_errors=True)


def update_run(folder: RunFolder, **changes: Any) -> None:
    """Changes what a user may write on a run: name, notes, starred."""
    unknown = set(changes) - {"name", "notes", "starred"}
    if unknown:
        raise RunError("run.no_field", name=", ".join(sorted(unknown)))
    if "name" in changes:
        changes["name"] = require_label(changes["name"])
    folder.write_run({**folder.read_run(), **changes})


def fill_run(
    folder: RunFolder,
    label: str,
    config: RunConfig,
    dataset: TaskDataset,
    more: dict[str, Any],
    kept: RunFolder | None = None,
) -> None:
    """Writes the files of a new run into its empty folder; `more` is added to run.json. `kept`: a run whose copy of
    frozen skills is taken over, where it has the same ones."""
    save_dataset(dataset, folder.data_dir)
    folder.write_config(config)
    tasks = [
        {"index": index, **{name: getattr(spec, name) for name in _TOLD}}
        for index, spec in enumerate(dataset.tasks)
    ]
    now = time.time()
    folder.write_run(
        {
            "run_id": folder.run_id,
            "name": label,
            "created": now,
            "method": config.method,
            "base_model": config.base_model,
            "tasks": tasks,
            "notes": "",
            "starred": False,
            "launcher": LOCAL,
            **more,
        }
    )
    folder.write_status(RunStatus(state=DRAFT, created=now))
    keep_frozen(folder, config, kept)


def _free_name(project: Project) -> str:
    taken = {folder.read_run()["name"] for folder in list_runs(project)}
    number = len(taken) + 1
    while f"Run {number}" in taken:
        number += 1
    return f"Run {number}"

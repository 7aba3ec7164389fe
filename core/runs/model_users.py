"""Which runs stand on a base model of the store: without it they can neither answer nor leave. Torch-free."""

from __future__ import annotations

from pathlib import Path

from core.base.errors import ModelError, TaskloomError
from core.models.catalogue import looks_like_path
from core.models.records import ModelRecord
from core.models.store import get_stored, list_stored, remove_stored, stored_folder
from core.runs.folder import RunFolder
from core.runs.summaries import list_summaries
from core.workspace import Project, Workspace


def runs_on_model(workspace: Workspace, name: str) -> list[str]:
    """Ids of the workspace's runs, of every owner, whose base model is the stored one of this name."""
    folder = stored_folder(name)
    meant = {name, str(folder)} if folder is not None else {name}
    return [
        run.run_id
        for project in workspace.list_projects()
        for run in (RunFolder(path) for path in sorted(project.runs_dir.glob("*/")))
        if _base_of(run) in meant
    ]


def recent_folders(project: Project) -> list[str]:
    """Folders of base models that the project's runs stand on and that the store does not hold; newest first, those
    that are still there."""
    stored = {str(stored_folder(record.name)) for record in list_stored()}
    used = dict.fromkeys(summary.base_model for summary in list_summaries(project))
    return [base for base in used if looks_like_path(base) and base not in stored and Path(base).is_dir()]


def remove_unused(workspace: Workspace, name: str, anyway: bool = False) -> ModelRecord:
    """Removes a base model from the store that no run needs.

    Raises:
        ModelError: the store does not hold it, or runs stand on it (unless `anyway`).
    """
    get_stored(name)
    runs = [] if anyway else runs_on_model(workspace, name)
    if runs:
        raise ModelError("model.in_use", name=name, count=len(runs), runs=", ".join(runs[:3]))
    return remove_stored(name)


def _base_of(run: RunFolder) -> str:
    try:
        return run.read_config().base_model
    except (OSError, TaskloomError):  # a damaged run stands on nothing
        return ""

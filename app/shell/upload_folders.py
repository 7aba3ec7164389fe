"""The page's own temporary folder: uploads, and exports that wait for their download.

Gradio serves every file below it to whoever knows the file's path, so names in it cannot be guessed, files live an
hour, and what belongs to a project goes when the project goes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from gradio.utils import get_upload_folder

from app.shell.context import Context
from core.base.files import inside, read_json
from core.insight.jobs import end_jobs
from core.runs.creation import delete_project
from core.runs.folder import RunFolder
from core.workspace import Project, Workspace

KEPT_S = 3600
LOOK_EVERY_S = 900
MOST_BYTES = 45  # of each part of a file's name: Gradio cuts a name after 200, and the run's id is at its end
UPLOADS = "uploads.txt"  # in the project's folder: names of the temporary folders its files came through
EXPORTS = "exports"  # of everybody: whatever a visitor writes, no project ever takes it along


def use_own_folder(workspace: Workspace) -> None:
    """Uploads go below the workspace instead of a folder of /tmp that other programs share."""
    os.environ.setdefault("GRADIO_TEMP_DIR", str(workspace.root.resolve() / "temporary"))


def new_export_folder(run_id: str) -> Path:
    """A fresh folder for the export of a run; those of the last hour stay, older ones go."""
    store = Path(get_upload_folder()) / EXPORTS
    if store.is_dir():
        for folder in store.iterdir():
            if time.time() - folder.stat().st_mtime > KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)
    folder = store / f"{run_id}-{secrets.token_hex(16)}"
    folder.mkdir(parents=True)
    return folder


def export_name(run_dir: Path, kind: str, task: str = "") -> str:
    """How an export's file is called (without .zip): what a person calls it, and the run's id, by which it is found
    when its project is deleted: 'Clinic-Run-1-mails-lora-20261130-081530-3f9a1c04'."""
    project, run = read_json(run_dir.parents[1] / "project.json")["name"], RunFolder(run_dir).read_run()["name"]
    parts = [plain_name(part) for part in (project, run, task, kind)]
    return "-".join([*(part for part in parts if part), run_dir.name])


def plain_name(name: str) -> str:
    """A name as it may stand in a file's name on any machine."""
    safe = "".join(c if c.isalnum() or c == "_" else "-" for c in name)
    safe = safe.encode()[:MOST_BYTES].decode(errors="ignore")  # never half a character; a Chinese one has 3 bytes
    return "-".join(part for part in safe.split("-") if part)


def note_uploads(project: Project, paths: Iterable[str]) -> None:
    """Remembers where uploaded copies lie, so that deleting the project deletes them too."""
    with open(project.path / UPLOADS, "a", encoding="utf-8") as file:
        file.writelines(f"{Path(path).parent.name}\n" for path in paths)


def new_upload_folder(project: Project) -> Path:
    """A fresh folder for what came without a file, such as pasted rows; it goes as uploads do."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    note_uploads(project, [str(folder / "_")])
    return folder


def forget_project(context: Context, project: Project) -> None:
    """Deletes a project with everything that was made of it: rows, runs, weights, uploads, exports, copies."""
    store = Path(get_upload_folder())
    for run_dir in project.runs_dir.iterdir():
        for export in [*store.glob(f"{EXPORTS}/{run_dir.name}-*"), *store.glob(f"*/*-{run_dir.name}.zip")]:
            shutil.rmtree(export if export.parent.name == EXPORTS else export.parent, ignore_errors=True)
    for name in _noted(project):
        shutil.rmtree(inside(store, name), ignore_errors=True)
    for export in store.glob(f"{EXPORTS}/{project.project_id}-*"):
        shutil.rmtree(export, ignore_errors=True)
    end_jobs(context.workspace.root, project.project_id)
    delete_project(context.workspace, project)
    if context.copies is not None:
        context.copies.soon()


def _noted(project: Project) -> list[str]:
    path = project.path / UPLOADS
    names = path.read_text(encoding="utf-8").split() if path.is_file() else []
    return [name for name in names if name.isalnum() and name != EXPORTS]

"""Which jobs are at work anywhere in a workspace, without looking into every run.

    <workspace>/at_work/<hash of the job's folder>     the folder, relative to the workspace

`note_job` stands there while a job may run; whoever lists takes away what has ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import WorkspaceError
from core.base.files import write_text_atomic

NOTES = "at_work"


@dataclass(frozen=True)
class JobPlace:
    """Where a job belongs: to a run of a project, or to a project as a whole (`run_id` is '')."""

    kind: str
    project_id: str
    run_id: str
    folder: Path


def note_job(workspace_dir: Path, folder: Path) -> None:
    """Notes a job that is about to start. A job outside of the workspace's projects is nobody's to list, and where
    nothing can be written it only stays unlisted."""
    root = workspace_dir.resolve()
    name = folder.resolve().as_posix().removeprefix(f"{root.as_posix()}/")
    with contextlib.suppress(WorkspaceError, OSError):
        (root / NOTES).mkdir(exist_ok=True)
        write_text_atomic(root / NOTES / hashlib.sha256(name.encode()).hexdigest()[:32], name)


def noted_jobs(workspace_dir: Path) -> list[JobPlace]:
    """What has been noted, oldest first; some of it may have ended."""
    root = workspace_dir.resolve()
    try:
        with os.scandir(root / NOTES) as entries:
            paths = sorted((e.stat().st_mtime, e.path) for e in entries if len(e.name) == 32)
    except FileNotFoundError:
        return []
    found = []
    for _, path in paths:
        with contextlib.suppress(OSError, ValueError):
            place = place_of(root, Path(path).read_text(encoding="utf-8"))
            if place is not None:
                found.append(place)
    return found


def forget_job(workspace_dir: Path, place: JobPlace) -> None:
    root = workspace_dir.resolve()
    name = place.folder.relative_to(root).as_posix()
    (root / NOTES / hashlib.sha256(name.encode()).hexdigest()[:32]).unlink(missing_ok=True)


def place_of(root: Path, name: str) -> JobPlace | None:
    """projects/<project>/[runs/<run>/]jobs/<kind>, or None for anything else."""
    match name.split("/"):
        case ["projects", project, "runs", run, "jobs", kind] if ".." not in (project, run, kind):
            return JobPlace(kind, project, run, root / name)
        case ["projects", project, "jobs", kind] if ".." not in (project, kind):
            return JobPlace(kind, project, "", root / name)
    return None

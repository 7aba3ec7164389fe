"""A job's folder (see `core.insight.jobs`): the names of its files, and what its owner's share is charged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from core.base.errors import WorkspaceError
from core.base.files import read_json
from core.runs.lock import is_locked
from core.workspace import Project

WAITING = "waiting"  # what a job notes while somebody else has the device


class JobFolder:
    """Names of one job's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_path = path / "lock"
        self.launch_path = path / "launch.json"
        self.progress_path = path / "progress.json"
        self.out_path = path / "out.json"
        self.log_path = path / "log"
        self.stop_path = path / "STOP"

    @property
    def is_at_work(self) -> bool:
        return is_locked(self.lock_path)

    def forget(self) -> None:
        """Takes away what an earlier job of this folder left; its lock stays."""
        for path in (self.progress_path, self.out_path, self.launch_path, self.stop_path):
            path.unlink(missing_ok=True)

    def span(self) -> tuple[float, float]:
        """Start and end of its work in seconds since 1970, the waiting for a device left out; nothing for one that
        never worked, or whose files are damaged."""
        launched, progress = read_or_none(self.launch_path), read_or_none(self.progress_path)
        noted = progress if isinstance(progress, dict) else {}
        if not isinstance(launched, dict) or noted.get("note") == WAITING:
            return 0.0, 0.0
        try:
            start = max(float(launched["began"]), float(noted.get("first_time", 0.0)))
        except (KeyError, TypeError, ValueError):
            return 0.0, 0.0
        if self.is_at_work:
            return start, time.time()
        written = (self.progress_path, self.out_path, self.log_path)
        return start, max([start, *(path.stat().st_mtime for path in written if path.exists())])


def list_jobs(project: Project, run_ids: set[str] | None = None) -> list[JobFolder]:
    """Of the project's runs and, with no runs named, of the project as a whole."""
    of_runs = [path for path in project.runs_dir.glob("*/jobs/*") if run_ids is None or path.parts[-3] in run_ids]
    return [JobFolder(path) for path in [*of_runs, *(project.path.glob("jobs/*") if run_ids is None else ())]]


def read_or_none(path: Path) -> Any:
    """A JSON file, None when it is missing, empty or half-written."""
    try:
        return read_json(path) if path.stat().st_size else None
    except (OSError, WorkspaceError):
        return None

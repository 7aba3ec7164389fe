"""What jobs of the Hub left in a bucket, tasks' texts included: of runs that broke off or were deleted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import WorkspaceError
from core.base.files import inside
from core.runs.bucket_copy import COPIED, BucketCopy
from core.runs.engines.bucket_job import JOBS, bring_back, clear
from core.runs.folder import RunFolder
from core.runs.states import DRAFT, INTERRUPTED, TERMINAL
from core.runs.where import read_launch

NEEDED, LEFT, UNKNOWN = "needed", "left", "unknown"


@dataclass(frozen=True)
class LeftJob:
    """What lies in the bucket for one start. `state`: `needed` by a run at work, `left` by one of a project of this
    workspace, or `unknown`: of another workspace that uses the bucket, or of a project that was deleted here."""

    launch_id: str
    target: str
    size: int
    state: str


def list_left(copy: BucketCopy) -> list[LeftJob]:
    """All that lies there for starts, whoever made them."""
    return [_read(copy, place) for place in sorted((copy.root / JOBS).glob("*")) if place.is_dir()]


def remove_left(copy: BucketCopy, job: LeftJob) -> bool:
    """Removes what one start left; -> whether it is gone. What it saved last is brought first, since the run may be
    resumed."""
    if job.state == LEFT and _is_named(copy, job):
        bring_back(copy, job.launch_id)
    clear(copy, job.launch_id)
    return not (copy.root / JOBS / job.launch_id).exists()


def _read(copy: BucketCopy, place: Path) -> LeftJob:
    files = [path for path in place.rglob("*") if path.is_file()]
    target = next((found for path in files if path.name == COPIED for found in [_target_of(path)] if found), "")
    job = LeftJob(place.name, target, sum(path.stat().st_size for path in files), UNKNOWN)
    folder = _folder_of(copy, job)
    if folder is None or not folder.path.parents[1].is_dir():
        return job
    ended = (*TERMINAL, INTERRUPTED, DRAFT)
    is_at_work = _is_named(copy, job) and folder.read_status().state not in ended
    return LeftJob(job.launch_id, target, job.size, NEEDED if is_at_work else LEFT)


def _folder_of(copy: BucketCopy, job: LeftJob) -> RunFolder | None:
    """The run, here or not any more; None where the bucket does not say which."""
    try:
        return RunFolder(inside(copy.workspace_dir, job.target)) if job.target.startswith("projects/") else None
    except (WorkspaceError, ValueError):
        return None


def _is_named(copy: BucketCopy, job: LeftJob) -> bool:
    folder = _folder_of(copy, job)
    return folder is not None and folder.run_path.exists() and read_launch(folder).get("launch_id") == job.launch_id


def _target_of(record: Path) -> str:
    """Where the files of a unit belong; a base model's are no run's."""
    try:
        target = json.loads(record.read_text(encoding="utf-8"))["target"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return str(target) if str(target).startswith("projects/") else ""

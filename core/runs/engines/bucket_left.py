"""What jobs of the Hub left in a bucket, tasks' texts included: of runs that broke off or were deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import TaskloomError, WorkspaceError
from core.base.files import inside
from core.runs.bucket_copy import COPIED, BucketCopy
from core.runs.engines.bucket_job import JOBS, bring_back, clear
from core.runs.folder import RunFolder
from core.runs.states import DRAFT, INTERRUPTED, TERMINAL
from core.runs.where import read_launch

NEEDED, LEFT, UNKNOWN, RECENT = "needed", "left", "unknown", "recent"
RECENT_S = 24 * 3600.0  # a job at work writes every few seconds; one that waits on the Hub writes nothing


@dataclass(frozen=True)
class LeftJob:
    """What lies in the bucket for one start. `state`: `needed` by a run at work, `left` by one of a project of this
    workspace, or `unknown`: of another workspace that uses the bucket, or of a project that was deleted here.
    `recent` is unknown and was written within a day: somebody may be at work on it. `is_named`: a run here was
    started as this last, and may be resumed."""

    launch_id: str
    target: str
    size: int
    state: str
    is_named: bool = False


def list_left(copy: BucketCopy) -> list[LeftJob]:
    """All that lies there for starts, whoever made them."""
    named = _named(copy)
    return [_read(copy, place, named) for place in sorted((copy.root / JOBS).glob("*")) if place.is_dir()]


def remove_left(copy: BucketCopy, job: LeftJob) -> bool:
    """Removes what one start left; -> whether it is gone. What it saved last is brought first, since the run may be
    resumed; where that fails everything stays."""
    try:
        if job.state == LEFT and job.is_named and not bring_back(copy, job.launch_id):
            return False
    except (OSError, ValueError, TaskloomError):
        return False
    clear(copy, job.launch_id)
    return not (copy.root / JOBS / job.launch_id).exists()


def _read(copy: BucketCopy, place: Path, named: Mapping[str, RunFolder]) -> LeftJob:
    files = [path for path in place.rglob("*") if path.is_file()]
    target = next((found for path in files if path.name == COPIED for found in [_target_of(path)] if found), "")
    size, mine = sum(path.stat().st_size for path in files), named.get(place.name)
    if mine is not None:  # also while its first files are on their way and say nothing yet
        ended = (*TERMINAL, INTERRUPTED, DRAFT)
        target = str(mine.path.relative_to(copy.workspace_dir))
        return LeftJob(place.name, target, size, LEFT if mine.read_status().state in ended else NEEDED, True)
    if _is_of_a_project_here(copy, target):
        return LeftJob(place.name, target, size, LEFT)
    written = max(path.stat().st_mtime for path in (place, *place.rglob("*")))
    return LeftJob(place.name, target, size, RECENT if time.time() - written < RECENT_S else UNKNOWN)


def _named(copy: BucketCopy) -> dict[str, RunFolder]:
    """The runs of this workspace by their last start."""
    folders = [RunFolder(path.parent) for path in copy.workspace_dir.glob("projects/*/runs/*/launch.json")]
    return {str(read_launch(folder).get("launch_id", "")): folder for folder in folders if folder.run_path.exists()}


def _is_of_a_project_here(copy: BucketCopy, target: str) -> bool:
    try:
        return bool(target) and inside(copy.workspace_dir, target).parents[1].is_dir()
    except (WorkspaceError, ValueError):
        return False


def _target_of(record: Path) -> str:
    """Where the files of a unit belong; a base model's are no run's."""
    try:
        target = json.loads(record.read_text(encoding="utf-8"))["target"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return str(target) if str(target).startswith("projects/") else ""

"""What one visitor of a shared page may use: runs and jobs at work, their minutes a day, disk, projects.

On one's own machine nothing of this applies. Times of runs that a visitor deleted are kept in a ledger
(`<workspace>/quota/<hash of the owner>.jsonl`), so that deleting gives disk back and minutes not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from core.base.errors import RunError, SettingError, WorkspaceError
from core.base.lines import append_records, read_records
from core.runs.folder import RunFolder
from core.runs.job_folder import JobFolder, list_jobs
from core.runs.lock import held
from core.runs.queue_db import RunQueue
from core.runs.states import LIVE
from core.runs.summaries import RunSummary, list_summaries
from core.training.config import RunConfig
from core.workspace import Project, Workspace

DAY_S = 86_400.0
COUNT_WAIT_S = 60.0


@dataclass(frozen=True)
class Quota:
    """Bounds for one owner. `queue`: runs of all owners that may wait; `free_mb`: what stays free on the disk;
    `memory_mb`: what one run may take, on one's own machine too (None: see `core/runs/memory_limit.py`)."""

    runs: int = 1
    minutes: int = 120
    disk_mb: int = 2048
    projects: int = 20
    queue: int = 20
    free_mb: int = 1024
    memory_mb: int | None = None


@dataclass(frozen=True)
class Usage:
    """What an owner uses now: `runs` and jobs at work, `minutes` of training and jobs in the last 24 hours."""

    runs: int
    minutes: float
    disk_mb: float
    projects: int


def quota_from_environment() -> Quota:
    """The default bounds, changed by TASKLOOM_QUOTA, for example "runs=2,minutes=60".

    Raises:
        SettingError: an unknown name, or a value that is not a whole number above zero.
    """
    text = os.environ.get("TASKLOOM_QUOTA", "")
    names = {field.name for field in fields(Quota)}
    changes: dict[str, int] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, _, value = part.partition("=")
        if name.strip() not in names or not value.strip().isdigit() or int(value) < 1:
            raise SettingError("quota.setting", text=part)
        changes[name.strip()] = int(value)
    return replace(Quota(), **changes)


def usage_of(workspace: Workspace, owner: str) -> Usage:
    """Looks at all projects of an owner."""
    projects = workspace.list_projects(owner)
    runs = [run for project in projects for run in list_summaries(project)]
    rehearsals = [path for project in projects for path in project.runs_dir.glob(".rehearsal-*")]
    jobs = [job for project in projects for job in list_jobs(project)]
    at_work = sum(run.state in LIVE for run in runs) + sum(RunFolder(path).is_alive() for path in rehearsals)
    at_work += sum(job.is_at_work for job in jobs)
    now = time.time()
    spans = [*(_span(run, now) for run in runs), *(job.span() for job in jobs), *_ledger(workspace, owner)]
    seconds = sum(max(0.0, end - max(start, now - DAY_S)) for start, end in spans)
    return Usage(at_work, seconds / 60, disk_mb_of(workspace, owner), len(projects))


def require_free_disk(folder: Path, least_mb: int, coming: int = 0) -> None:
    """Before anything is stored; `coming` bytes are about to be.

    Raises:
        WorkspaceError: less than `least_mb` of the disk would stay free.
    """
    free = shutil.disk_usage(folder).free - coming
    if free < least_mb << 20:
        raise WorkspaceError("quota.full", free=max(0, free + coming) >> 20)


def disk_mb_of(workspace: Workspace, owner: str) -> float:
    """What the projects of an owner take on the disk."""
    return sum(_bytes_in(project.path) for project in workspace.list_projects(owner)) / (1 << 20)


def require_space(workspace: Workspace, owner: str, quota: Quota) -> None:
    """Before anything is stored.

    Raises:
        WorkspaceError: the owner's share or the whole disk is used up.
    """
    require_free_disk(workspace.root, quota.free_mb)
    used = disk_mb_of(workspace, owner)
    if used >= quota.disk_mb:
        raise WorkspaceError("quota.disk", used=round(used), bound=quota.disk_mb)


@contextlib.contextmanager
def counted_alone(workspace: Workspace, owner: str) -> Iterator[None]:
    """While the block runs nothing else of this owner is counted and begun, by no thread and no process: what is
    looked at in it is still so when the new project or run is there.

    Raises:
        RunError: something of theirs took too long to begin.
    """
    path = workspace.root / "quota" / f"{owner_mark(owner)}.lock"
    path.parent.mkdir(exist_ok=True)
    with held(path, COUNT_WAIT_S) as is_ours:
        if not is_ours:
            raise RunError("visitor.busy")
        yield


def require_another_project(workspace: Workspace, owner: str, quota: Quota) -> None:
    """
    Raises:
        WorkspaceError: the owner has as many projects as allowed, or no space for another.
    """
    count = len(workspace.list_projects(owner))
    if count >= quota.projects:
        raise WorkspaceError("quota.projects", count=count, bound=quota.projects)
    require_space(workspace, owner, quota)


def require_another_run(workspace: Workspace, owner: str, quota: Quota) -> float:
    """Before a run starts or goes on; returns the minutes that it may train.

    Raises:
        RunError: too many runs at work or waiting, or no minutes left. WorkspaceError: no space left.
    """
    used = usage_of(workspace, owner)
    if used.runs >= quota.runs:
        raise RunError("quota.runs", count=used.runs, bound=quota.runs)
    if used.minutes >= quota.minutes:
        raise RunError("quota.minutes", used=round(used.minutes), bound=quota.minutes)
    waiting = len(RunQueue(workspace.root).waiting())
    if waiting >= quota.queue:
        raise RunError("quota.queue", count=waiting)
    require_space(workspace, owner, quota)
    return quota.minutes - used.minutes


def limit_time(config: RunConfig, minutes: float) -> RunConfig:
    """The config with a time limit of at most `minutes`."""
    hours = max(minutes / 60, 0.001)
    return replace(config, max_hours=min(config.max_hours or hours, hours))


def remember_runs(workspace: Workspace, project: Project, run_ids: Iterable[str] | None = None) -> None:
    """Notes the times of runs (all of the project when None) that are about to be deleted, and of their jobs."""
    wanted = None if run_ids is None else set(run_ids)
    now = time.time()
    spans = [_span(run, now) for run in list_summaries(project) if wanted is None or run.run_id in wanted]
    _note_spans(workspace, project.owner, [*spans, *(job.span() for job in list_jobs(project, wanted))])


def remember_job(workspace: Workspace, owner: str, job: JobFolder) -> None:
    """Notes the time of a job whose folder is about to be used for another one."""
    _note_spans(workspace, owner, [job.span()])


def _note_spans(workspace: Workspace, owner: str, spans: list[tuple[float, float]]) -> None:
    recent = [span for span in spans if span[1] > time.time() - DAY_S]
    if recent:
        path = _ledger_path(workspace, owner)
        path.parent.mkdir(exist_ok=True)
        append_records(path, recent)


def _span(run: RunSummary, now: float) -> tuple[float, float]:
    """Start and end of a run in seconds since 1970; nothing for one that never trained."""
    if run.started is None:
        return 0.0, 0.0
    return run.started, run.ended or (now if run.state in LIVE else run.started)


def _ledger(workspace: Workspace, owner: str) -> list[tuple[float, float]]:
    return [(start, end) for start, end in read_records(_ledger_path(workspace, owner))]


def owner_mark(owner: str) -> str:
    """Stands for an owner where the name is nobody's business: in the file system, in what the browser sends."""
    return hashlib.sha256(owner.encode()).hexdigest()[:32]


def _ledger_path(workspace: Workspace, owner: str) -> Path:
    """Times are all that is in the file."""
    return workspace.root / "quota" / f"{owner_mark(owner)}.jsonl"


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{parent}/{name}").st_size
            except OSError:  # a worker replaced it just now
                continue
    return total

"""Lists of runs that stay quick: a thousand ended runs come from one query, only the others are looked at."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from core.base.errors import WorkspaceError
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.queue_db import RunQueue
from core.workspace import Project


@dataclass(frozen=True)
class RunSummary:
    """One line of a list of runs. `base` and `tuned` are the means of the exam, 0..1."""

    run_id: str
    name: str
    state: str
    method: str
    base_model: str
    tasks: list[str] = field(default_factory=list)
    stage: str | None = None
    progress: float = 0.0
    eta_s: float | None = None
    queue_place: int | None = None
    failure: str | None = None
    stopped_early: bool = False
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    base: float | None = None
    tuned: float | None = None
    starred: bool = False
    notes: str = ""
    made_from: str | None = None
    part_of: str | None = None  # kind and id of the study or probe that made this run for itself


def list_summaries(project: Project) -> list[RunSummary]:
    """All runs of a project, newest first. What an ended run said is remembered until its files change."""
    run_dirs = _run_dirs(project)
    if not run_dirs:
        return []
    queue = RunQueue(RunFolder(run_dirs[0]).workspace_dir)
    known = queue.read_summaries(project.project_id)
    fresh: dict[str, tuple[str, dict[str, Any]]] = {}
    summaries = []
    for path in run_dirs:
        run_id, stamp = path.rpartition("/")[2], _stamp(path)
        remembered = known.get(run_id)
        if stamp and remembered and remembered[0] == stamp:
            summaries.append(RunSummary(**remembered[1]))
            continue
        summary = summarise_run(RunFolder(path))
        summaries.append(summary)
        if stamp:
            fresh[run_id] = (stamp, asdict(summary))
    if fresh:
        with contextlib.suppress(WorkspaceError):  # a list can be read where nothing can be written
            queue.write_summaries(project.project_id, fresh)
    return summaries


def own_runs(runs: list[RunSummary]) -> list[RunSummary]:
    """The runs that a person asked for; all of them when there are no others than parts of studies and probes."""
    return [run for run in runs if not run.part_of] or runs


def summarise_run(folder: RunFolder) -> RunSummary:
    """Reads one run's files."""
    run, status = folder.read_run(), run_state(folder)
    means = (folder.read_results() or {}).get("mean", {}) if status.is_terminal else {}
    return RunSummary(
        run_id=folder.run_id,
        name=run["name"],
        state=status.state,
        method=run.get("method", ""),
        base_model=run.get("base_model", ""),
        tasks=[task["name"] for task in run["tasks"]],
        stage=status.stage,
        progress=status.progress,
        eta_s=status.eta_s,
        queue_place=status.queue_place,
        failure=status.failure,
        stopped_early=status.stopped_early,
        created=run.get("created"),
        started=status.started,
        ended=status.ended,
        base=means.get("base"),
        tuned=means.get("tuned"),
        starred=run.get("starred", False),
        notes=run.get("notes", ""),
        made_from=run.get("made_from"),
        part_of=run.get("part_of"),
    )


def _run_dirs(project: Project) -> list[str]:
    """Folders of all runs, newest first. Plain strings: a thousand Path objects would cost more than the rest."""
    try:
        with os.scandir(project.runs_dir) as entries:
            names = [entry.path for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    return sorted((path for path in names if _time_of(f"{path}/run.json")), reverse=True)


def _stamp(path: str) -> str:
    """Times of the files a summary of an ended run is made from; "" for a run that has not ended."""
    done = _time_of(f"{path}/DONE")
    return f"{done}-{_time_of(f'{path}/run.json')}-{_time_of(f'{path}/results.json')}" if done else ""


def _time_of(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116  see `_run_dirs`
    except OSError:
        return 0

"""Lists of runs that stay quick: a thousand ended runs come from one query, only the others are looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from core.runs.creation import list_runs
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.registry import RunRegistry
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


def list_summaries(project: Project) -> list[RunSummary]:
    """All runs of a project, newest first. What an ended run said is remembered until its files change."""
    folders = list_runs(project)
    if not folders:
        return []
    registry = RunRegistry(folders[0].workspace_dir)
    known = registry.read_summaries(project.project_id)
    fresh: dict[str, tuple[str, dict[str, Any]]] = {}
    summaries = []
    for folder in folders:
        stamp = _stamp(folder)
        remembered = known.get(folder.run_id)
        if stamp and remembered and remembered[0] == stamp:
            summaries.append(RunSummary(**remembered[1]))
            continue
        summary = summarise_run(folder)
        summaries.append(summary)
        if stamp:
            fresh[folder.run_id] = (stamp, asdict(summary))
    if fresh:
        registry.write_summaries(project.project_id, fresh)
    return summaries


def summarise_run(folder: RunFolder) -> RunSummary:
    """Reads one run's files."""
    run, status = folder.read_run(), run_state(folder)
    means = (folder.read_results() or {}).get("mean", {}) if status.is_terminal else {}
    return RunSummary(
        run_id=folder.run_id, name=run["name"], state=status.state, method=run.get("method", ""),
        base_model=run.get("base_model", ""), tasks=[task["name"] for task in run["tasks"]], stage=status.stage,
        progress=status.progress, eta_s=status.eta_s, queue_place=status.queue_place, failure=status.failure,
        stopped_early=status.stopped_early, created=run.get("created"), started=status.started, ended=status.ended,
        base=means.get("base"), tuned=means.get("tuned"), starred=run.get("starred", False),
        notes=run.get("notes", ""), made_from=run.get("made_from"),
    )


def _stamp(folder: RunFolder) -> str:
    """Times of the files a summary of an ended run is made from; "" for a run that has not ended."""
    try:
        parts = [folder.done_path.stat().st_mtime_ns, folder.run_path.stat().st_mtime_ns]
    except FileNotFoundError:
        return ""
    try:
        parts.append(folder.results_path.stat().st_mtime_ns)
    except FileNotFoundError:
        parts.append(0)
    return "-".join(map(str, parts))

"""Lists of runs that stay quick: a thousand ended runs come from one query, only the others are looked at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from core.base.errors import TaskloomError, WorkspaceError
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.queue_db import RunQueue
from core.workspace import Project

T = TypeVar("T")
FORM = 3  # of a remembered summary; 1 did not know what guessing scores, 2 not how sure the means are
ABOVE, BELOW, OPEN, FEW_ROWS = STANDINGS = ("above", "below", "open", "few")


@dataclass(frozen=True)
class RunSummary:
    """One line of a list of runs. `base`, `tuned` and `guess` (the best guesses) are the means of the exam, 0..1;
    `guess` is None unless all tasks have one. `low` and `high`: 95 % interval of `tuned` by exam rows.
    `standing`, of the mean against guessing: surely above or below, open, or few (rows too few to say); None where
    it is unknown."""

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
    guess: float | None = None
    low: float | None = None
    high: float | None = None
    standing: str | None = None
    starred: bool = False
    notes: str = ""
    made_from: str | None = None
    part_of: str | None = None  # kind and id of the study or probe that made this run for itself
    damaged: tuple[str, ...] = ()  # names of its files that cannot be read


def list_summaries(project: Project) -> list[RunSummary]:
    """All runs of a project, newest first. What an ended run said is remembered until its files change."""
    return list_all_summaries([project])[project.project_id]


def list_all_summaries(projects: Sequence[Project]) -> dict[str, list[RunSummary]]:
    """The lists of several projects of one workspace by their ids, what is remembered of them read at once."""
    run_dirs = {project.project_id: _run_dirs(project) for project in projects}
    first = next((path for paths in run_dirs.values() for path in paths), None)
    if first is None:
        return {project_id: [] for project_id in run_dirs}
    queue = RunQueue(RunFolder(first).workspace_dir)
    known = _remembered(queue, [project_id for project_id, paths in run_dirs.items() if paths])
    return {project_id: _listed(queue, project_id, paths, known) for project_id, paths in run_dirs.items()}


def _listed(
    queue: RunQueue, project_id: str, run_dirs: list[str], known: dict[str, tuple[str, RunSummary]]
) -> list[RunSummary]:
    fresh: dict[str, tuple[str, dict[str, Any]]] = {}
    summaries = []
    for path in run_dirs:
        run_id, stamp = path.rpartition("/")[2], _stamp(path)
        remembered = known.get(run_id)
        if stamp and remembered and remembered[0] == stamp:
            summaries.append(remembered[1])
            continue
        try:
            summary = summarise_run(RunFolder(path))
        except FileNotFoundError:  # deleted since the folder was listed
            continue
        summaries.append(summary)
        if stamp:
            fresh[run_id] = (stamp, vars(summary))
    if fresh:
        with contextlib.suppress(WorkspaceError):  # a list can be read where nothing can be written
            queue.write_summaries(project_id, fresh)
    return summaries


def _remembered(queue: RunQueue, project_ids: list[str]) -> dict[str, tuple[str, RunSummary]]:
    """Run id -> (stamp, summary). The folders are the truth: without a database that answers, they are read."""
    try:
        rows = queue.read_summaries(project_ids)
    except WorkspaceError:
        return {}
    found = {}
    for run_id, (stamp, values) in rows.items():
        with contextlib.suppress(TypeError):  # of another version
            found[run_id] = (stamp, RunSummary(**{**values, "damaged": tuple(values.get("damaged", ()))}))
    return found


def own_runs(runs: list[RunSummary]) -> list[RunSummary]:
    """The runs that a person asked for; all of them when there are no others than parts of studies and probes."""
    return [run for run in runs if not run.part_of] or runs


def summarise_run(folder: RunFolder) -> RunSummary:
    """Reads one run's files. What is damaged is named, and the rest is told all the same.

    Raises:
        FileNotFoundError: the run is gone.
    """
    damaged: list[str] = []
    unnamed: dict[str, Any] = {"name": folder.run_id, "tasks": []}
    run = _read_or(folder.read_run, unnamed, folder.run_path, damaged)
    status = run_state(folder)
    results = _read_or(folder.read_results, None, folder.results_path, damaged) if status.is_terminal else None
    means = (results or {}).get("mean", {})
    if status.message_key == "run.damaged":
        damaged.append(str(status.message_values["file"]))
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
        guess=_mean_guess(results or {}),
        **_how_sure(results or {}),
        starred=run.get("starred", False),
        notes=run.get("notes", ""),
        made_from=run.get("made_from"),
        part_of=run.get("part_of"),
        damaged=tuple(damaged),
    )


def damaged_files(folder: RunFolder) -> tuple[str, ...]:
    """Names of the files that say what the run is, does and has learnt, and cannot be read."""
    found: list[str] = []
    for read, path in (
        (folder.read_run, folder.run_path),
        (folder.read_config, folder.config_path),
        (folder.read_tasks, folder.data_dir),
        (folder.read_results, folder.results_path),
        (folder.read_done, folder.done_path),
    ):
        try:
            read()
        except (TaskloomError, OSError):
            found.append(path.name)
    return tuple(found)


def _read_or(read: Callable[[], T], otherwise: T, path: Path, damaged: list[str]) -> T:
    """What `read` gives, or `otherwise` for a damaged file, whose name is noted."""
    try:
        return read()
    except FileNotFoundError:  # the whole run may be gone
        raise
    except WorkspaceError:
        damaged.append(path.name)
        return otherwise


def _mean_guess(results: dict[str, Any]) -> float | None:
    tasks = [task for task in results.get("tasks", ()) if task.get("tuned")]
    best = [task.get("guesses", {}).get(task.get("best_guess"), {}).get("value") for task in tasks]
    return None if not best or None in best else float(sum(best) / len(best))


def _how_sure(results: dict[str, Any]) -> dict[str, Any]:
    """Interval of the mean and its standing against guessing; {} where results of an older version lack it."""
    tasks = [task for task in results.get("tasks", ()) if task.get("tuned")]
    if not tasks:
        return {}
    from core.evaluation.intervals import (  # numpy: not for a list
        FEW,
        Difference,
        Score,
        mean_difference,
        mean_score,
    )

    try:
        mean = mean_score([Score(**task["tuned"]) for task in tasks])
        gains = [Difference(**task["gain"]) for task in tasks if task.get("gain")]
    except TypeError:  # of another version
        return {}
    found: dict[str, Any] = {"low": mean.low, "high": mean.high}
    if mean.n < FEW:
        return {**found, "standing": FEW_ROWS}
    if len(gains) < len(tasks):
        return found
    gain = mean_difference(gains)
    return {**found, "standing": OPEN if not gain.is_sure else ABOVE if gain.value > 0 else BELOW}


def _run_dirs(project: Project) -> list[str]:
    """Folders of all runs, newest first. Plain strings: a thousand Path objects would cost more than the rest."""
    try:
        with os.scandir(project.runs_dir) as entries:
            names = [entry.path for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    return sorted((path for path in names if _time_of(f"{path}/run.json")), reverse=True)


def _stamp(path: str) -> str:
    """The form of a summary and the times of the files it is made from; "" for a run that has not ended."""
    done = _time_of(f"{path}/DONE")
    return f"{FORM}-{done}-{_time_of(f'{path}/run.json')}-{_time_of(f'{path}/results.json')}" if done else ""


def _time_of(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116  see `_run_dirs`
    except OSError:
        return 0

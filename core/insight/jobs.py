"""Long questions to a run (a new exam, knock-out, a new task) and studies, in a process of their own.

A job is a command of the command line, detached: it outlives the page and the app. Its folder is the only channel:

    lock            held by the process for life; the kernel frees it on any death
    launch.json     {pid, create_time, command, began}    progress.json   {done, total, began, note}
    out.json        what the command printed (--json)     log             what it complained about

A command that may be a job calls `note_progress`; outside of a job that does nothing.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from core.base.errors import RunError, WorkspaceError
from core.base.files import write_json_atomic
from core.base.processes import Order, find_process, python, start_detached
from core.insight.live_jobs import JobPlace, forget_job, note_job, noted_jobs
from core.messages import MESSAGES
from core.runs.folder import RunFolder
from core.runs.job_folder import WAITING, JobFolder, read_or_none
from core.runs.lock import is_locked, try_lock

RUNNING, DONE, FAILED, STOPPED, NONE = "running", "done", "failed", "stopped", "none"
VARIABLE = "TASKLOOM_JOB"  # tells a command that it is a job, and where to note its progress
SECONDS = "TASKLOOM_JOB_SECONDS"  # that a visitor's job may work once it has the device
END_S = 5.0  # for a job that is ended to go by itself
LOG_TAIL = 4000
_GAP_S = 0.25  # between two notes of progress
_last_note = 0.0


@dataclass(frozen=True)
class JobState:
    """What a job is doing: `share` 0..1, `eta_s` seconds or None while unknown; `value` is the JSON it printed,
    `key` with `values` the words of its refusal."""

    state: str = NONE
    done: int = 0
    total: int = 0
    eta_s: float | None = None
    began: float | None = None
    waiting: bool = False
    value: Any = None
    key: str = ""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def is_live(self) -> bool:
        return self.state == RUNNING


def job_dir(run_dir: Path, kind: str) -> Path:
    return RunFolder(run_dir).jobs_dir / kind


def start_job(folder: Path, workspace_dir: Path, words: list[str], seconds: float | None = None) -> JobState:
    """Starts `python -m core <words>` unless this job is running already, whose state is then returned. `seconds`:
    how long it may work, where that is bounded.

    Raises:
        WorkspaceError: the folder cannot be written or the process cannot be started.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(folder), detail=error.strerror or "") from error
    job = JobFolder(folder)
    lock = try_lock(job.lock_path)
    if lock is None:
        return read_job(folder)
    try:
        job.forget()
        note_job(workspace_dir, folder)
        _launch(job, workspace_dir, words, lock, seconds)
    finally:
        os.close(lock)
    return read_job(folder)


def live_jobs(workspace_dir: Path) -> list[tuple[JobPlace, JobState]]:
    """The jobs of a workspace that are at work, oldest first."""
    found = []
    for place in noted_jobs(workspace_dir):
        state = read_job(place.folder)
        if state.is_live:
            found.append((place, state))
        else:
            forget_job(workspace_dir, place)
    return found


def stop_job(folder: Path) -> JobState:
    """Ends a running job; what it has written so far is kept, and the same job goes on there when it is started
    again.

    Raises:
        RunError: it is not running.
    """
    job = JobFolder(folder)
    launched = _launched(job)
    if not is_locked(job.lock_path) or launched is None:
        raise RunError("insight.no_job")
    job.stop_path.touch()
    process = find_process(launched)
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    return read_job(folder)


def end_jobs(workspace_dir: Path, project_id: str, run_id: str | None = None) -> None:
    """Before a project, or one of its runs, is removed: ends what is asked of it, so that no process goes on with
    its rows and writes to where it was."""
    asked = [
        place
        for place, _ in live_jobs(workspace_dir)
        if place.project_id == project_id and run_id in (None, place.run_id)
    ]
    for place in asked:
        with contextlib.suppress(RunError):  # it has ended by now
            stop_job(place.folder)
    end = time.monotonic() + END_S
    for place in asked:
        _see_off(JobFolder(place.folder), end)
        forget_job(workspace_dir, place)


def _see_off(job: JobFolder, end: float) -> None:
    """Waits until the steady clock's `end` for a job that was stopped, then ends it by force."""
    while job.is_at_work and time.monotonic() < end:
        time.sleep(0.05)
    process = find_process(_launched(job) or {}) if job.is_at_work else None
    if process is not None:
        with contextlib.suppress(ProcessLookupError, psutil.TimeoutExpired):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(END_S)


def read_job(folder: Path) -> JobState:
    """The state of a job from its folder alone; a refusal without known words is an unexpected end."""
    job = JobFolder(folder)
    launched = _launched(job)
    progress = read_or_none(job.progress_path) or {}
    done, total = int(progress.get("done", 0)), int(progress.get("total", 0))
    began = (launched or {}).get("began")
    if is_locked(job.lock_path):
        eta = _eta(progress, done, total)
        return JobState(RUNNING, done, total, eta, began, progress.get("note") == WAITING)
    if launched is None:
        return JobState()
    said = read_or_none(job.out_path)
    if said is None:
        return _silent_end(job, launched, done, total)
    if isinstance(said, dict) and "error" in said:
        error: dict[str, Any] = said["error"]
        if error.get("key") not in MESSAGES:
            error = {"key": "run.unexpected", "values": said}
        return JobState(FAILED, done, total, None, began, key=error["key"], values=error.get("values", {}))
    return JobState(DONE, total, total, 0.0, began, value=said)


def is_job() -> bool:
    return VARIABLE in os.environ


def note_progress(done: int, total: int, note: str = "") -> None:
    """Tells how far this process is, at most four times a second; nothing happens outside of a job."""
    global _last_note
    folder, now = os.environ.get(VARIABLE), time.monotonic()
    if not folder or (now - _last_note < _GAP_S and done < total):
        return
    _last_note = now
    path = JobFolder(Path(folder)).progress_path
    known = read_or_none(path) or {}
    first = {"first_done": done, "first_time": time.time()}
    if known.get("note") != WAITING and "first_time" in known:
        first = {name: known[name] for name in first}
    write_json_atomic(path, {"done": done, "total": total, "note": note, "time": time.time(), **first})


def _launch(job: JobFolder, workspace_dir: Path, words: list[str], lock: int, seconds: float | None) -> None:
    variables = {VARIABLE: str(job.path.resolve())}
    if seconds is not None:
        variables[SECONDS] = str(max(1, math.ceil(seconds)))
    order = Order(_command(words, workspace_dir), workspace_dir, variables, descriptors=(lock,))
    try:
        identity = start_detached(order, job.log_path, job.out_path)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(job.path), detail=error.strerror or "") from error
    write_json_atomic(job.launch_path, {**identity, "began": time.time()})


def _command(words: list[str], workspace_dir: Path) -> tuple[str, ...]:
    """The options stand before "--", behind which words may end with a user's text."""
    place = words.index("--") if "--" in words else len(words)
    options = ("--workspace", str(workspace_dir.resolve()), "--json")
    return python("-m", "core", *words[:place], *options, *words[place:])


def _silent_end(job: JobFolder, launched: dict[str, Any], done: int, total: int) -> JobState:
    """Nothing was printed: it was stopped, killed, or broke; the log knows."""
    if job.stop_path.exists():
        return JobState(STOPPED, done, total, None, launched["began"])
    text = job.log_path.read_text(encoding="utf-8", errors="replace") if job.log_path.exists() else ""
    lines = [line for line in text[-LOG_TAIL:].splitlines() if line.strip()]
    values = {"detail": lines[-1][:300] if lines else "killed"}
    return JobState(FAILED, done, total, None, launched["began"], key="run.unexpected", values=values)


def _eta(progress: dict[str, Any], done: int, total: int) -> float | None:
    """Seconds left at the speed since the first note."""
    fresh = done - int(progress.get("first_done", done))
    if fresh <= 0 or not total:
        return None
    spent = float(progress["time"]) - float(progress["first_time"])
    return max(0.0, spent / fresh * (total - done) - (time.time() - float(progress["time"])))


def _launched(job: JobFolder) -> dict[str, Any] | None:
    found = read_or_none(job.launch_path)
    return found if isinstance(found, dict) else None

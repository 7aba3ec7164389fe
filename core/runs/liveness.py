"""The state of a run as it is now: what the worker wrote, checked against whether it still lives."""

from __future__ import annotations

import time
from dataclasses import replace

from core.base.errors import RunError, SettingError, WorkspaceError
from core.base.files import read_json
from core.base.memory import memory_kills
from core.runs.folder import RunFolder
from core.runs.launchers import Answer
from core.runs.lease import FRESH_S, is_fresh, launch_age, lease_ages
from core.runs.lock import held
from core.runs.queue_db import RunQueue
from core.runs.states import (
    CANCELLED,
    DRAFT,
    INTERRUPTED,
    LIVE,
    PENDING,
    QUEUED,
    RUNNING,
    STALLED,
    STOPPING,
    TERMINAL,
    RunStatus,
)
from core.runs.where import ask, end_worker, read_launch

STALLED_AFTER_S = 120.0  # without a step, a check or an exam batch while the process lives
HUNG_AFTER_S = 20.0  # without a heartbeat: the whole process stands still
LOST_AFTER_S = 600.0  # a lease over for so long may be given up by a person
STOP_GRACE_S = 120.0  # without any progress after a stop or cancel: the worker is ended
# A process that stands still as a whole is ended after HUNG_AFTER_S already, since it cannot even save.


def run_state(folder: RunFolder) -> RunStatus:
    """The status a person should see.

    A run that says it is at work while its engine has no worker of it is dead: it becomes `cancelled` when that was
    wished, else `interrupted` (and stays so, with Resume). One that lives without moving is shown as `stalled`, one
    that waits in an engine's own queue as `pending`.
    """
    status = folder.read_status()
    if status.state in TERMINAL or status.state == DRAFT:
        return status
    launch = read_launch(folder)
    if launch.get("launch_id"):
        return _far_state(folder, status, ask(folder, launch))
    if status.state == INTERRUPTED:
        return status
    if ask(folder, launch).sign == "gone":
        return _bury(folder)
    if status.state == QUEUED:
        return replace(status, queue_place=queue_place(folder), heartbeat=_beat_time(folder))
    age, idle = folder.heartbeat_ages()
    if _is_wished_away(folder) and (idle > STOP_GRACE_S or age > HUNG_AFTER_S):
        end_worker(folder)  # it was asked to end and does not move any more
        return _bury(folder, "run.was_hung")
    return _as_moving(folder, status, age, idle, HUNG_AFTER_S)


def _far_state(folder: RunFolder, status: RunStatus, answer: Answer) -> RunStatus:
    """The state of a run whose worker is of another engine: the engine's answer, and where it gives none the lease.
    A worker that has just beaten is at work whatever the engine says, since its last lines reach a shared file
    system late, and an engine that cannot reach it for a moment says that it waits. An engine that does not answer
    proves nothing: the run stands still and is not buried, unless a person ends it."""
    if answer.sign != "working" and status.state not in (PENDING, INTERRUPTED) and is_fresh(folder):
        answer = Answer("working")
    if answer.sign == "gone":
        return status if status.state == INTERRUPTED else _bury(folder, _reason(answer))
    if answer.sign == "unknown" and status.state == INTERRUPTED:
        return status
    if answer.sign == "pending" or status.state in (PENDING, INTERRUPTED):  # an engine may begin it once more
        state = STOPPING if _is_wished_away(folder) else PENDING
        key, values = _word_waiting(folder, answer)
        return replace(
            status, state=state, queue_place=answer.place, ended=None, message_key=key, message_values=values
        )
    age, idle = lease_ages(folder) or (0.0, 0.0)
    if answer.sign == "unknown":
        age = max(age, FRESH_S + 1)
    return _as_moving(folder, status, age, idle, FRESH_S)


def _reason(answer: Answer) -> str | None:
    """Engines say in capitals what ended a job for want of memory; of the rest the log knows more."""
    return "run.was_out_of_memory" if "OUT_OF_MEMORY" in answer.detail else None


def _word_waiting(folder: RunFolder, answer: Answer) -> tuple[str, dict[str, str]]:
    name = str(read_launch(folder).get("on", ""))
    if answer.sign == "unknown":
        return "run.engine_silent", {"engine": name, "detail": answer.detail}
    return (
        ("run.pending_why", {"engine": name, "why": answer.detail})
        if answer.detail
        else ("run.pending", {"engine": name})
    )


def _as_moving(folder: RunFolder, status: RunStatus, age: float, idle: float, hung_s: float) -> RunStatus:
    """A living run: stopping where that is wished, stalled where nothing moves."""
    loading = status.stage == "preparing"  # a download says nothing for as long as it takes
    stalled = status.state == RUNNING and (age > hung_s or (idle > STALLED_AFTER_S and not loading))
    if _is_wished_away(folder) and status.state != STOPPING:
        status = replace(status, state=STOPPING)
    elif stalled:
        status = replace(status, state=STALLED, stalled_s=max(age, idle))
    return replace(status, heartbeat=time.time() - age if folder.heartbeat_path.exists() else None)


def _is_wished_away(folder: RunFolder) -> bool:
    return folder.stop_path.exists() or folder.cancel_path.exists()


def queue_place(folder: RunFolder) -> int | None:
    """1 is next; None when the run does not wait."""
    queue = RunQueue(folder.workspace_dir)
    device = queue.queued_device(folder.run_id)
    waiting = [path.name for path in queue.waiting(device)]
    return waiting.index(folder.run_id) + 1 if folder.run_id in waiting else None


def kill_worker(folder: RunFolder) -> RunStatus:
    """Ends a run's worker by force -> what became of the run. Where an engine stays silent and the lease is over,
    the run is given up: should its worker come back, it finds another start in launch.json, or leaves by CANCEL.
    Before its first heartbeat the time since the start counts.

    Raises:
        RunError: the engine refuses, or is silent about a worker that still beats.
    """
    try:
        end_worker(folder)
    except (RunError, SettingError):  # the second: this version does not know the engine
        ages = lease_ages(folder)
        if (ages[0] if ages else launch_age(folder)) < LOST_AFTER_S:
            raise
        return _bury(folder, "run.was_lost")
    if ask(folder, is_urgent=True).sign == "gone" and folder.read_status().state in LIVE:
        return _bury(folder)
    return run_state(folder)


def how_it_went(folder: RunFolder) -> str:
    """The key that words why a worker is gone without a word. A worker that the kernel ended leaves no trace of its
    own, but the kernel counts those it ends for want of memory; an allocator that gives up says so in the log."""
    try:
        before = read_json(folder.launch_path).get("memory_kills") if folder.launch_path.exists() else None
    except WorkspaceError:
        before = None
    killed = isinstance(before, int) and memory_kills() > before
    return (
        "run.was_out_of_memory"
        if killed or "std::bad_alloc" in folder.read_log()[-2000:]
        else "run.was_interrupted"
    )


def _bury(folder: RunFolder, reason: str | None = None) -> RunStatus:
    """Writes down that a run's worker is gone. The lock is held meanwhile, so that no new start can be buried."""
    try:
        with held(folder.lock_path) as mine:
            status = folder.read_status()
            if not mine or status.state not in LIVE:
                return status
            status = _as_dead(folder, status, reason or how_it_went(folder))
            if status.state == CANCELLED:
                folder.write_done({"state": CANCELLED, "ended": status.ended, "message_key": status.message_key})
            folder.write_status(status)
            RunQueue(folder.workspace_dir).dequeue(folder.run_id)
            return status
    except WorkspaceError:  # nothing can be written here, and the truth is shown all the same
        return _as_dead(folder, folder.read_status(), reason or how_it_went(folder))


def _as_dead(folder: RunFolder, status: RunStatus, reason: str) -> RunStatus:
    """What a status of a run at work means when nobody works on it."""
    if status.state not in LIVE:
        return status
    state, key = (CANCELLED, "run.was_cancelled") if folder.cancel_path.exists() else (INTERRUPTED, reason)
    return replace(status, state=state, ended=time.time(), message_key=key, message_values={}, eta_s=None)


def _beat_time(folder: RunFolder) -> float | None:
    return time.time() - folder.heartbeat_ages()[0] if folder.heartbeat_path.exists() else None

"""The state of a run as it is now: what the worker wrote, checked against whether it still lives."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import psutil

from core.base.errors import WorkspaceError
from core.base.files import read_json
from core.base.memory import memory_kills
from core.base.processes import find_process
from core.runs.folder import RunFolder
from core.runs.lock import held
from core.runs.queue_db import RunQueue
from core.runs.ranks import read_ranks
from core.runs.states import (
    CANCELLED,
    DRAFT,
    INTERRUPTED,
    LIVE,
    QUEUED,
    RUNNING,
    STALLED,
    STOPPING,
    TERMINAL,
    RunStatus,
)

STALLED_AFTER_S = 120.0  # without a step, a check or an exam batch while the process lives
HUNG_AFTER_S = 20.0  # without a heartbeat: the whole process stands still
STOP_GRACE_S = 120.0  # without any progress after a stop or cancel: the worker is ended
# A process that stands still as a whole is ended after HUNG_AFTER_S already, since it cannot even save.


def run_state(folder: RunFolder) -> RunStatus:
    """The status a person should see.

    A run that says it is at work while nobody holds its lock is dead: it becomes `cancelled` when that was wished,
    else `interrupted` (and stays so, with Resume). One that lives without moving is shown as `stalled`.
    """
    status = folder.read_status()
    if status.state in TERMINAL or status.state in (DRAFT, INTERRUPTED):
        return status
    if not folder.is_alive():
        return _bury(folder)
    if status.state == QUEUED:
        return replace(status, queue_place=queue_place(folder), heartbeat=_beat_time(folder))
    age, idle = folder.heartbeat_ages()
    if _is_wished_away(folder) and (idle > STOP_GRACE_S or age > HUNG_AFTER_S):
        kill_worker(folder)  # it was asked to end and does not move any more
        return _bury(folder, "run.was_hung")
    loading = status.stage == "preparing"  # a download says nothing for as long as it takes
    stalled = status.state == RUNNING and (age > HUNG_AFTER_S or (idle > STALLED_AFTER_S and not loading))
    if _is_wished_away(folder) and status.state != STOPPING:
        status = replace(status, state=STOPPING)
    elif stalled:
        status = replace(status, state=STALLED, stalled_s=max(age, idle))
    return replace(status, heartbeat=_beat_time(folder))


def _is_wished_away(folder: RunFolder) -> bool:
    return folder.stop_path.exists() or folder.cancel_path.exists()


def queue_place(folder: RunFolder) -> int | None:
    """1 is next; None when the run does not wait."""
    queue = RunQueue(folder.workspace_dir)
    device = queue.queued_device(folder.run_id)
    waiting = [path.name for path in queue.waiting(device)]
    return waiting.index(folder.run_id) + 1 if folder.run_id in waiting else None


def worker_processes(folder: RunFolder) -> list[psutil.Process]:
    """The live processes of a run: the worker and its descendants. Identity is (pid, start time), never the pid."""
    entries = read_ranks(folder)
    with contextlib.suppress(OSError, WorkspaceError):  # a launch is noted when its process runs already
        entries.insert(0, read_json(folder.launch_path))
    found: dict[int, psutil.Process] = {}
    for entry in entries:
        root = find_process(entry)
        if root is not None:
            found[root.pid] = root
            with contextlib.suppress(psutil.Error):
                found.update({child.pid: child for child in root.children(recursive=True)})
    return list(found.values())


def kill_worker(folder: RunFolder, wait_s: float = 5.0) -> None:
    """SIGKILL to the whole process tree of a run, and waits until it is gone."""
    processes = worker_processes(folder)
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=wait_s)


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

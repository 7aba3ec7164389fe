"""Starting, stopping, cancelling and resuming runs: one detached worker process per run.

The launcher takes the run's lock and hands it to the worker, so from the click on there is no moment in which a run
looks dead or can be started twice. The worker itself waits in the queue for its device; the app may close.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from core.base.errors import RunError, TaskloomError, WorkspaceError
from core.base.files import write_json_atomic
from core.base.memory import memory_kills
from core.runs.creation import create_run, discard_draft
from core.runs.device_lease import lease_device
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS
from core.runs.liveness import kill_worker, run_state
from core.runs.lock import try_lock
from core.runs.memory_limit import require_memory
from core.runs.queue_db import RunQueue
from core.runs.states import CANCELLED, DRAFT, INTERRUPTED, QUEUED, STARTABLE, RunStatus
from core.training.config import RunConfig
from core.training.manifest import list_checkpoints
from core.workspace import Project


def start_run(folder: RunFolder, token: str | None = None) -> RunStatus:
    """Puts a run in its device's queue and starts its worker, which begins as soon as it is first.

    `token` names the click: the same token again is answered with the state of the run it started.

    Raises:
        RunError: the run is at work already, or has ended.
        WorkspaceError: the folder cannot be written.
    """
    queue = RunQueue(folder.workspace_dir)
    if token is not None:
        first = queue.claim_token(token, folder.path)
        if first is not None:
            return run_state(RunFolder(first))
    status = run_state(folder)
    lock = try_lock(folder.lock_path) if status.state in STARTABLE else None
    if lock is None:
        key = "run.ended" if status.is_terminal else "run.already_started"
        raise RunError(key, name=folder.run_id, state=status.state)
    try:
        return _launch(folder, queue, lock)
    except TaskloomError:
        if token is not None:
            queue.release_token(token)
        raise
    finally:
        os.close(lock)


def begin_run(
    project: Project,
    config: RunConfig,
    token: str | None = None,
    task_names: list[str] | None = None,
    name: str | None = None,
) -> RunFolder:
    """Makes a run and starts it; the second use of a token gives the run of the first, and leaves no draft behind.

    Raises:
        RunError: the run is not ready. WorkspaceError: it cannot be written.
    """
    folder = create_run(project, config, task_names, name)
    try:
        first = RunQueue(folder.workspace_dir).claim_token(token, folder.path) if token else None
        if first is None:
            start_run(folder)
            return folder
    except TaskloomError:
        if token:
            RunQueue(folder.workspace_dir).release_token(token)
        discard_draft(folder)
        raise
    discard_draft(folder)
    return RunFolder(first)


def find_begun(project: Project, token: str) -> RunFolder | None:
    """The run of this project that a token has begun already.

    Raises:
        WorkspaceError: the database cannot be opened.
    """
    found = RunQueue(project.path.resolve().parents[1]).find_token(token)
    return RunFolder(found) if found is not None and found.parent == project.runs_dir.resolve() else None


def stop_run(folder: RunFolder, now: bool = False) -> RunStatus:
    """Stop and keep: the worker finishes its step, keeps the best adapter so far, and ends as succeeded. An
    interrupted run is taken up for that only. With `now` a worker that does not answer is ended; the run is then
    interrupted, with everything up to its last checkpoint.

    Raises:
        RunError: the run is not at work.
    """
    status = run_state(folder)
    if now and status.is_live:
        return kill_run(folder)
    if status.state == INTERRUPTED and list_checkpoints(folder.checkpoints_dir):
        _raise_flag(folder.stop_path)
        return start_run(folder)
    if not status.is_live:
        raise RunError("run.not_live", name=folder.run_id, state=status.state)
    if status.state == QUEUED:
        return cancel_run(folder)
    _raise_flag(folder.stop_path)
    return run_state(folder)


def cancel_run(folder: RunFolder, now: bool = False) -> RunStatus:
    """Cancel and discard: the worker ends at once without an adapter; a waiting run leaves the queue. With `now` a
    worker that does not answer is ended.

    Raises:
        RunError: the run has ended already.
    """
    status = run_state(folder)
    if status.is_terminal:
        raise RunError("run.ended", name=folder.run_id, state=status.state)
    _raise_flag(folder.cancel_path)
    if status.state in (DRAFT, INTERRUPTED):
        ended = time.time()
        folder.write_done({"state": CANCELLED, "ended": ended, "message_key": "run.was_cancelled"})
        folder.write_status(replace(status, state=CANCELLED, ended=ended, message_key="run.was_cancelled"))
    return kill_run(folder) if now else run_state(folder)


def kill_run(folder: RunFolder) -> RunStatus:
    """Ends a worker that does not answer, with all its processes. The run becomes interrupted (or cancelled, when
    that was wished) and can be resumed from its last checkpoint."""
    kill_worker(folder)
    return run_state(folder)


def resume_run(folder: RunFolder) -> RunStatus:
    """Starts an interrupted run again; its worker goes on from the last checkpoint that validates.

    Raises:
        RunError: the run is not interrupted, or needs more memory than a run may take.
    """
    status = run_state(folder)
    if status.state != INTERRUPTED:
        raise RunError("run.not_interrupted", name=folder.run_id, state=status.state)
    require_memory(folder)
    try:
        folder.stop_path.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(folder.path), detail=error.strerror or "") from error
    return start_run(folder)


def _launch(folder: RunFolder, queue: RunQueue, lock: int) -> RunStatus:
    device = lease_device(folder.read_config().device)
    launcher = LAUNCHERS.get(folder.read_run().get("launcher", "local"))
    before = folder.read_status()
    status = replace(before, state=QUEUED, started=None, ended=None, message_key="run.waiting", message_values={})
    folder.write_status(status)
    queue.enqueue(folder.path, device)
    kills = memory_kills()
    try:
        identity = launcher(folder, lock)
    except TaskloomError:
        folder.write_status(before)
        queue.dequeue(folder.run_id)
        raise
    write_json_atomic(folder.launch_path, {**identity, "memory_kills": kills})
    return status


def _raise_flag(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(path), detail=error.strerror or "") from error

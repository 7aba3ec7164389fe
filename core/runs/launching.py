"""Starting, stopping, cancelling and resuming runs: one worker per run, on this machine or by another engine.

Whoever starts takes the run's lock. A worker of this machine inherits it, so from the click on there is no moment
in which a run looks dead or can be started twice, and waits itself in the queue for its device. Another engine has
its own queue: launch.json names the start before the engine hears of it. The app may close.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from core.base.errors import RunError, TaskloomError, WorkspaceError
from core.base.files import write_json_atomic
from core.base.memory import memory_kills
from core.runs.creation import create_run, discard_draft
from core.runs.device_lease import lease_device
from core.runs.far_launch import launch_far
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS, LaunchOrder, Together
from core.runs.liveness import kill_worker, run_state
from core.runs.lock import try_lock
from core.runs.memory_limit import require_memory
from core.runs.queue_db import RunQueue
from core.runs.states import CANCELLED, DRAFT, INTERRUPTED, PENDING, QUEUED, STARTABLE, RunStatus
from core.runs.where import HERE, Engine, ask, end_worker, engine_of, find_engine, is_far, tell
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
    lock = _take_lock(folder)
    try:
        return _launch(folder, queue, lock)
    except TaskloomError:
        if token is not None:
            queue.release_token(token)
        raise
    finally:
        os.close(lock)


def start_together(folders: Sequence[RunFolder]) -> None:
    """Starts runs of one engine: in one call where the engine takes several (an array of jobs), which then has all
    of them or none; else one after the other.

    Raises:
        RunError, WorkspaceError: as `start_run`.
    """
    engine = engine_of(folders[0])
    if len(folders) == 1 or not isinstance(LAUNCHERS.get(engine.launcher), Together):
        for folder in folders:
            start_run(folder)
        return
    with ExitStack() as held:
        starts = []
        for folder in folders:
            lock = _take_lock(folder)
            held.callback(os.close, lock)
            starts.append((folder, lock))
        _launch_there(engine, starts)


def begin_run(
    project: Project,
    config: RunConfig,
    token: str | None = None,
    task_names: list[str] | None = None,
    name: str | None = None,
    on: str | None = None,
) -> RunFolder:
    """Makes a run and starts it; the second use of a token gives the run of the first, and leaves no draft behind.
    `on` names an engine (None: this machine).

    Raises:
        RunError: the run is not ready, or its engine refuses it. WorkspaceError: it cannot be written.
        SettingError: there is no such engine.
    """
    engine = find_engine(project.path.resolve().parents[1], on, project.owner)
    folder = create_run(project, config, task_names, name, is_far=engine != HERE)
    try:
        put_on(folder, engine)
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


def put_on(folder: RunFolder, engine: Engine) -> None:
    """Notes in run.json where a run starts from now on."""
    run = folder.read_run()
    if run.get("on") or engine != HERE:
        folder.write_run({**run, "launcher": engine.launcher, "on": engine.name})


def find_begun(project: Project, token: str) -> RunFolder | None:
    """The run of this project that a token has begun already.

    Raises:
        WorkspaceError: the database cannot be opened.
    """
    found = RunQueue(project.path.resolve().parents[1]).find_token(token)
    return RunFolder(found) if found is not None and found.parent == project.runs_dir.resolve() else None


def stop_run(folder: RunFolder, now: bool = False) -> RunStatus:
    """Stop and keep: the worker finishes its step, keeps the best adapter so far, and ends as succeeded. An
    interrupted run is taken up for that only; one that waits to go on keeps its place and ends so when it is its
    turn, and only one that has learned nothing yet is cancelled. With `now` a worker that does not answer is ended;
    the run is then interrupted, with everything up to its last checkpoint.

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
    waits = status.state in (QUEUED, PENDING) and not _may_have_learned(folder)
    if waits or (folder.cancel_path.exists() and _waits_there(folder)):
        return cancel_run(folder)
    _raise_flag(folder.stop_path)
    tell(folder)
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
    if now:
        return kill_run(folder)
    if status.state == PENDING or _waits_there(folder):  # nobody is there yet to read the wish
        end_worker(folder)
    else:
        tell(folder)
    return run_state(folder)


def kill_run(folder: RunFolder) -> RunStatus:
    """Ends a worker that does not answer, with all its processes. The run becomes interrupted (or cancelled, when
    that was wished) and can be resumed from its last checkpoint."""
    return kill_worker(folder)


def resume_run(folder: RunFolder, on: str | None = None) -> RunStatus:
    """Starts an interrupted run again; its worker goes on from the last checkpoint that validates. `on` names
    another engine for it (None: where it was).

    Raises:
        RunError: it is not interrupted, or needs more memory than a run may take. SettingError: no such engine.
    """
    engine = engine_of(folder) if on is None else find_engine(folder.workspace_dir, on)
    prepare_resume(folder, engine)
    known = folder.read_run()
    if on is not None:
        put_on(folder, engine)
    try:
        return start_run(folder)
    except TaskloomError:  # refused there: it stays where it was
        folder.write_run(known)
        raise


def prepare_resume(folder: RunFolder, engine: Engine) -> None:
    """Looks whether a run may be started again on this engine, and takes back the wish that stopped it.

    Raises:
        RunError: the run is not interrupted, or needs more memory than a run may take.
        WorkspaceError: the folder cannot be written.
    """
    status = run_state(folder)
    if status.state != INTERRUPTED:
        raise RunError("run.not_interrupted", name=folder.run_id, state=status.state)
    if engine == HERE:
        require_memory(folder)
    try:
        folder.stop_path.unlink(missing_ok=True)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(folder.path), detail=error.strerror or "") from error


def _may_have_learned(folder: RunFolder) -> bool:
    """Whether a run that waits has something to keep: a checkpoint, or a worker that began and was not seen to
    leave, whatever its engine says."""
    written = folder.read_status()
    begun = written.is_live and written.state not in (QUEUED, PENDING)
    return begun or bool(list_checkpoints(folder.checkpoints_dir))


def _waits_there(folder: RunFolder) -> bool:
    """Whether another engine has the run and no worker has begun it, as far as is known."""
    return is_far(folder) and (folder.read_status().state == PENDING or ask(folder).sign == "pending")


def _take_lock(folder: RunFolder) -> int:
    """The lock of a run that can be started.

    Raises:
        RunError: the run is at work already, or has ended.
    """
    status = run_state(folder)
    lock = try_lock(folder.lock_path) if status.state in STARTABLE else None
    if lock is None:
        key = "run.ended" if status.is_terminal else "run.already_started"
        raise RunError(key, name=folder.run_id, state=status.state)
    return lock


def _launch(folder: RunFolder, queue: RunQueue, lock: int) -> RunStatus:
    engine = engine_of(folder)
    if engine != HERE:
        return _launch_there(engine, [(folder, lock)])[0]
    before = folder.read_status()
    status = _as_waiting(before, QUEUED, "run.waiting")
    folder.write_status(status)
    try:
        _launch_here(folder, queue, lock)
    except TaskloomError:
        folder.write_status(before)
        raise
    return status


def _launch_there(engine: Engine, starts: Sequence[tuple[RunFolder, int]]) -> list[RunStatus]:
    """Hands runs, each with its lock, to another engine."""
    before = [folder.read_status() for folder, _ in starts]
    waiting = [_as_waiting(status, PENDING, "run.pending", engine=engine.name) for status in before]
    for (folder, _), status in zip(starts, waiting, strict=True):
        folder.write_status(status)
    try:
        launch_far(engine, starts)
    except TaskloomError:
        for (folder, _), status in zip(starts, before, strict=True):
            folder.write_status(status)
        raise
    return waiting


def _as_waiting(status: RunStatus, state: str, key: str, **values: str) -> RunStatus:
    return replace(status, state=state, started=None, ended=None, message_key=key, message_values=values)


def _launch_here(folder: RunFolder, queue: RunQueue, lock: int) -> None:
    folder.launch_path.unlink(missing_ok=True)  # it may name another engine
    queue.enqueue(folder.path, lease_device(folder.read_config().device))
    kills = memory_kills()
    try:
        identity = LAUNCHERS.get(HERE.launcher).submit(LaunchOrder(folder, lock, ""))
    except TaskloomError:
        queue.dequeue(folder.run_id)
        raise
    write_json_atomic(folder.launch_path, {**identity, "memory_kills": kills})


def _raise_flag(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(path), detail=error.strerror or "") from error

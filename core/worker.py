"""The child process of a run: `python -m core.worker RUN_DIR`. Started by name, imported by nobody.

It holds the run's lock for life, waits in the queue for its device without importing torch, trains, and writes the
final marker. Whatever happens, the run folder says so: a worded failure, or a freed lock that readers see within a
second. With several processes it starts torchrun and waits; its ranks are this module with `--rank`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from core.base.cards import show_only
from core.base.errors import TaskloomError, WorkspaceError, plain_values, short_detail
from core.base.files import sync_files, write_json_atomic
from core.base.limits import bind_to_parent
from core.base.quiet import quiet_libraries
from core.runs.device_lease import CARD, DeviceLease, holder_for, holder_values, lease_device, run_lease
from core.runs.folder import RunFolder
from core.runs.journal import FolderJournal, SilentJournal
from core.runs.lease import may_begin, stays_named, take_lock
from core.runs.liveness import how_it_went
from core.runs.memory_limit import held_to_limit
from core.runs.prediction import learn_speed
from core.runs.queue_db import RunQueue
from core.runs.ranks import (
    LAST_WORDS_S,
    RankLost,
    has_lost_rank,
    join_machine,
    note_rank,
    start_ranks,
    wait_for_end,
    write_end,
)
from core.runs.states import CANCELLED, FAILED, INTERRUPTED, QUEUED, STARTING, SUCCEEDED
from core.runs.where import is_far
from core.training.config import RunConfig, num_ranks
from core.training.manifest import list_checkpoints
from core.training.pace import PartClock
from core.training.reporting import CANCEL, PAUSE, STOP, Journal, RunCancelled, RunPaused
from core.workspace import Workspace

QUEUE_POLL_S = 0.25
REFUSED = 4
End = tuple[str, dict[str, Any]]  # (state, changes of the status)


def main(arguments: list[str] | None = None) -> int:
    """Runs one run to its end. Exit code: 0 succeeded, 1 failed, 2 cancelled, 3 interrupted, 4 refused."""
    quiet_libraries()
    parser = argparse.ArgumentParser(prog="core.worker", description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--lock", type=int, help="descriptor of the run's lock, inherited from the launcher")
    parser.add_argument("--launch", help="the start that an engine was asked for, as launch.json names it")
    parser.add_argument("--rank", action="store_true", help="this is one of several processes, started by torchrun")
    parser.add_argument("--machine", type=int, default=0, help="number of this machine; above 0 it only joins")
    chosen = parser.parse_args(arguments)
    folder = RunFolder(chosen.run_dir.resolve())
    if chosen.rank:
        return _rank_main(folder)
    if chosen.machine:
        return join_machine(folder, chosen.machine)
    lock = chosen.lock if chosen.lock is not None else take_lock(folder, chosen.launch)
    if lock is None or not may_begin(folder, chosen.launch):
        print(f"run {folder.run_id} is already at work, has ended or was started again", file=sys.stderr)
        return REFUSED
    os.set_inheritable(lock, False)
    folder.pause_path.unlink(missing_ok=True)
    if chosen.launch is not None:  # an engine's warning to whoever waits for this worker, which then asks for PAUSE
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    journal = FolderJournal(folder, watch=stays_named(folder, chosen.launch, partial(os._exit, REFUSED)))
    signal.signal(signal.SIGTERM, lambda *_: journal.terminated.set())
    try:
        return _finish(journal, *_work(folder, journal, is_far=chosen.launch is not None))
    finally:
        journal.close()


def _work(folder: RunFolder, journal: FolderJournal, is_far: bool) -> End:
    """Waits for the device, trains, and says how it ended. Another engine has given the device already."""

    def work() -> End:
        config = folder.read_config()
        device = lease_device(config.device)
        with nullcontext() if is_far else _wait_for_device(folder, journal, device) as lease:
            if device == CARD:  # before torch looks
                show_only(range(config.num_processes) if lease is None else lease.cards)
            journal.progress(state=STARTING, started=time.time(), queue_place=None)
            if folder.read_run().get("kind") == "rehearsal":
                return _rehearse(folder, config, journal)
            if num_ranks(config) > 1:
                return _train_in_ranks(folder, config, journal)
            return _train_here(folder, config, journal, 0, 1)

    return _end_of(work, journal, folder)


def _end_of(work: Callable[[], End], journal: Journal, folder: RunFolder, is_rank: bool = False) -> End:
    """What a worker's work came to; the one place where a worker's unknown errors become words. A rank's error may
    be the death of another one."""
    try:
        return work()
    except RunCancelled:
        return CANCELLED, {"message_key": "run.was_cancelled"}
    except RunPaused:
        return INTERRUPTED, {"message_key": "run.was_paused"}
    except Exception as error:  # noqa: BLE001 - torch, drivers and model code may raise anything
        if is_rank and RankLost.caused(error):
            traceback.print_exc()
            return INTERRUPTED, {
                "message_key": "training.rank_lost",
                "message_values": {"detail": str(error)[:200]},
            }
        return FAILED, _failure_changes(error, journal, folder)


def _train_here(folder: RunFolder, config: RunConfig, journal: Journal, rank: int, world: int) -> End:
    clock = PartClock()
    from core.insight.skill_drafts import write_drafts
    from core.training.session import train_run  # torch is imported here, after the waiting
    from core.training.trainer import Shard

    with held_to_limit(config):
        outcome = train_run(folder, config, journal, Shard(rank, world), clock)
    if world == 1 and not is_far(folder):  # another machine's speed is no experience of this one
        _try_note(lambda: learn_speed(folder))
    if rank == 0:
        _try_note(lambda: write_drafts(folder.path))
    if rank == 0 and config.learn_router and len(folder.read_run()["tasks"]) > 1:
        from core.chat.learning_router import learn_router

        gc.collect()  # the trained model is in circles; the router loads the base model again
        if (error := _try_note(lambda: learn_router(folder.path))) is not None:
            values = {"detail": short_detail(error)}
            _try_note(lambda: journal.event("notice", key="chat.no_router_yet", values=values))
    key = "run.was_stopped" if outcome.stopped_early else "run.finished"
    return SUCCEEDED, {"message_key": key, "stopped_early": outcome.stopped_early, "progress": 1.0}


def _try_note(write: Callable[[], object]) -> Exception | None:
    """What is noted after a training is no part of it: a note that fails is told in the log, and the run stands.
    MemoryError, RuntimeError and SafetensorError: of a model that is loaded or read anew for it."""
    try:
        write()
    except (TaskloomError, OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        found: Exception = error
    except (MemoryError, RuntimeError, SafetensorError) as error:
        found = error
    else:
        return None
    print("a note of the finished run could not be written", file=sys.stderr)
    traceback.print_exception(found)
    return found


def _rehearse(folder: RunFolder, config: RunConfig, journal: Journal) -> End:
    from core.training.rehearsal import rehearse

    with held_to_limit(config):
        write_json_atomic(folder.prediction_path, rehearse(folder, config, journal).as_dict())
    return SUCCEEDED, {"message_key": "run.finished", "stopped_early": False, "progress": 1.0}


def _train_in_ranks(folder: RunFolder, config: RunConfig, journal: FolderJournal) -> End:
    """Starts the processes of this machine and waits; meanwhile the first of them reports to the folder."""
    journal.hand_over()
    agent, lost_s = start_ranks(folder, config, 0), 0.0
    while agent.poll() is None:
        lost_s += QUEUE_POLL_S if config.num_machines > 1 and has_lost_rank(folder) else 0.0
        if lost_s > LAST_WORDS_S:  # torchrun would wait five minutes more for the agent of a machine that is gone
            agent.kill()
        if journal.terminated.is_set():
            folder.pause_path.touch()
        time.sleep(QUEUE_POLL_S)
    journal.take_back()
    return wait_for_end(folder, config) or (INTERRUPTED, {"message_key": how_it_went(folder)})


def _rank_main(folder: RunFolder) -> int:
    """One of several processes. Its parent's death ends it; how it ended is left in a file for the worker."""
    bind_to_parent()
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    note_rank(folder, rank)
    journal: Any = FolderJournal(folder) if rank == 0 else SilentJournal(folder)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's; the worker passes wishes on by files

    def work() -> End:
        return _train_here(folder, folder.read_config(), journal, rank, world)

    end = _end_of(work, journal, folder, is_rank=True)
    write_end(folder, rank, *end)
    if rank == 0:
        journal.flush()
        journal.close()
    return 0 if end[0] != FAILED else 1


def _failure_changes(error: Exception, journal: Journal, folder: RunFolder) -> dict[str, Any]:
    from core.training.failures import classify

    traceback.print_exc()
    status, config = folder.read_status(), folder.read_config()
    place = {
        "stage": status.stage or "",
        "step": status.step,
        "batch_size": config.batch_size,
        "max_tokens": config.max_tokens,
        "base_model": config.base_model,
    }
    failure = classify(error, place)
    values = plain_values(failure.values)
    try:
        journal.event("error", key=failure.key, values=values, trace=traceback.format_exc()[-4000:])
    except WorkspaceError:
        print("the error event could not be written", file=sys.stderr)
    return {"failure": failure.failure, "message_key": failure.key, "message_values": values}


def _finish(journal: FolderJournal, state: str, changes: dict[str, Any]) -> int:
    """Writes the end: the final marker first (the truth), then the status for readers."""
    folder, now = journal.folder, time.time()
    final = {"message_values": {}, "eta_s": None, "eta_range_s": None, "ended": now, **changes}
    if state != INTERRUPTED:
        marker = {"failure": None, **final, "state": state}
        if state == SUCCEEDED:
            marker["files"] = _files_of(folder)
            sync_files([folder.path / name for name in marker["files"]])  # on the disk before it is said
        folder.write_done(marker)
    journal.progress(state=state, **final)
    journal.flush()
    return {SUCCEEDED: 0, FAILED: 1, CANCELLED: 2}.get(state, 3)


def _files_of(folder: RunFolder) -> dict[str, int]:
    """Sizes of the files that a succeeded run must have; readers compare."""
    paths = [*folder.adapter_dir.glob("*"), folder.allocation_path, folder.results_path]
    return {str(path.relative_to(folder.path)): path.stat().st_size for path in paths if path.is_file()}


def _wait_for_device(folder: RunFolder, journal: FolderJournal, device: str) -> DeviceLease:
    """Waits until this run is the first living one in its device's queue and the device is free.

    Raises:
        RunCancelled, RunPaused: while it waited.
    """
    queue = RunQueue(folder.workspace_dir)
    queue.enqueue(folder.path, device)
    lease = run_lease(folder, "training")
    project = Workspace(folder.workspace_dir).project_of_run(folder.path.resolve())
    try:
        while not (_is_first(queue, folder, device) and lease.try_acquire()):
            wish = journal.wish()
            if wish == CANCEL or (wish == STOP and not list_checkpoints(folder.checkpoints_dir)):
                raise RunCancelled  # a stop keeps what was learned: it waits for the device to do so
            if wish == PAUSE:
                raise RunPaused
            holder = holder_for(project, device)
            named = bool(holder and holder.get("name"))
            key, shown = ("run.waiting_for", holder_values(holder or {})) if named else ("run.waiting", {})
            journal.progress(state=QUEUED, message_key=key, message_values=shown)
            time.sleep(QUEUE_POLL_S)
    finally:
        queue.dequeue(folder.run_id)
    return lease


def _is_first(queue: RunQueue, folder: RunFolder, device: str) -> bool:
    """Whether no living run waits before this one; the dead ones are passed over. A queue that has lost this run
    is told again."""
    for path in queue.waiting(device):
        if path.name == folder.run_id:
            return True
        if RunFolder(path).is_alive():
            return False
    with contextlib.suppress(WorkspaceError):  # it stays locked: asked again soon
        queue.enqueue(folder.path, device)
    return False


if __name__ == "__main__":
    sys.exit(main())

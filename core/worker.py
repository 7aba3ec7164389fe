"""The child process of a run: `python -m core.worker RUN_DIR`. Started by name, imported by nobody.

It holds the run's lock for life, waits in the queue for its device without importing torch, trains, and writes the
final marker. Whatever happens, the run folder says so: a worded failure, or a freed lock that readers see within a
second.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import WorkspaceError
from core.runs.folder import RunFolder
from core.runs.lease import DeviceLease, lease_device, lease_holder
from core.runs.lock import steady_clock, try_lock
from core.runs.registry import RunRegistry
from core.runs.states import CANCELLED, FAILED, INTERRUPTED, QUEUED, STARTING, SUCCEEDED, RunStatus
from core.training.journal import CANCEL, PAUSE, STOP, RunCancelled, RunPaused

BEAT_S = 1.0
STATUS_S = 0.3
QUEUE_POLL_S = 0.25


class FolderJournal:
    """Reports to a run folder: events at once, the status a few times a second, a heartbeat in a thread."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.status: RunStatus = folder.read_status()
        self.terminated = threading.Event()
        self._events = folder.open_events()
        self._written = 0.0
        self._moved = steady_clock()
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._beats.start()

    def event(self, kind: str, **fields: Any) -> None:
        self._moved = steady_clock()
        self._events.write(kind, fields)

    def progress(self, **changes: Any) -> None:
        """The status keeps every change; the file follows when the state or stage changes, or after a moment."""
        self._moved = steady_clock()
        before = self.status
        self.status = replace(self.status, **changes)
        urgent = (before.state, before.stage) != (self.status.state, self.status.stage)
        if before.state != self.status.state:
            self._events.write("state", {"state": self.status.state})
        if urgent or time.monotonic() - self._written >= STATUS_S:
            self.flush()

    def flush(self) -> None:
        self.folder.write_status(self.status)
        self._written = time.monotonic()

    def wish(self) -> str | None:
        if self.folder.cancel_path.exists():
            return CANCEL
        if self.folder.stop_path.exists():
            return STOP
        return PAUSE if self.terminated.is_set() else None

    def close(self) -> None:
        self._over.set()
        self._beats.join(timeout=2.0)
        self._events.close()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                self.folder.beat(self._moved)
            except OSError:  # a full disk must not end the thread; readers then see an old heartbeat
                continue


def main(arguments: list[str] | None = None) -> int:
    """Runs one run to its end. Exit code: 0 succeeded, 1 failed, 2 cancelled, 3 interrupted, 4 refused."""
    parser = argparse.ArgumentParser(prog="core.worker", description=__doc__)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--lock", type=int, help="descriptor of the run's lock, inherited from the launcher")
    chosen = parser.parse_args(arguments)
    folder = RunFolder(chosen.run_dir.resolve())
    lock = chosen.lock if chosen.lock is not None else try_lock(folder.lock_path)
    if lock is None:
        print(f"run {folder.run_id} is already at work", file=sys.stderr)
        return 4
    os.set_inheritable(lock, False)
    journal = FolderJournal(folder)
    signal.signal(signal.SIGTERM, lambda *_: journal.terminated.set())
    try:
        return _finish(journal, *_work(folder, journal))
    finally:
        journal.close()


def _work(folder: RunFolder, journal: FolderJournal) -> tuple[str, dict[str, Any]]:
    """Waits, trains, and translates every end into (state, changes of the status)."""
    config = None
    try:
        config = folder.read_config()
        with _wait_for_device(folder, journal, lease_device(config.device)):
            journal.progress(state=STARTING, started=time.time(), queue_place=None)
            from core.training.session import train_run  # torch is imported here, after the waiting

            outcome = train_run(folder, config, journal)
        key = "run.was_stopped" if outcome.stopped_early else "run.finished"
        return SUCCEEDED, {"message_key": key, "stopped_early": outcome.stopped_early, "progress": 1.0}
    except RunCancelled:
        return CANCELLED, {"message_key": "run.was_cancelled"}
    except RunPaused:
        return INTERRUPTED, {"message_key": "run.was_paused"}
    except Exception as error:  # noqa: BLE001  the one place where a worker's unknown errors become words
        traceback.print_exc()
        return FAILED, _failure_changes(error, journal)


def _failure_changes(error: Exception, journal: FolderJournal) -> dict[str, Any]:
    from core.training.failures import classify

    status, config = journal.status, journal.folder.read_config()
    place = {
        "stage": status.stage or "", "step": status.step, "batch_size": config.batch_size,
        "base_model": config.base_model,
    }
    failure = classify(error, place)
    try:
        journal.event("error", key=failure.key, values=_plain(failure.values), trace=traceback.format_exc()[-4000:])
    except WorkspaceError:
        print("the error event could not be written", file=sys.stderr)
    return {"failure": failure.failure, "message_key": failure.key, "message_values": _plain(failure.values)}


def _finish(journal: FolderJournal, state: str, changes: dict[str, Any]) -> int:
    """Writes the end: the final marker first (the truth), then the status for readers."""
    folder, now = journal.folder, time.time()
    final = {"message_values": {}, "eta_s": None, "eta_range_s": None, "ended": now, **changes}
    if state != INTERRUPTED:
        marker = {"state": state, "ended": now, "failure": changes.get("failure")}
        if state == SUCCEEDED:
            marker |= {"stopped_early": changes["stopped_early"], "files": _files_of(folder)}
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
    registry = RunRegistry(folder.workspace_dir)
    registry.enqueue(folder.path, device)
    lease = DeviceLease(folder.workspace_dir, device, "training", folder.run_id)
    try:
        while not (_is_first(registry, folder, device) and lease.try_acquire()):
            wish = journal.wish()
            if wish in (CANCEL, STOP):
                raise RunCancelled
            if wish == PAUSE:
                raise RunPaused
            holder = lease_holder(folder.workspace_dir, device) or {}
            shown = {"purpose": holder.get("purpose", ""), "name": holder.get("name", "")}
            key = "run.waiting_for" if holder else "run.waiting"
            journal.progress(state=QUEUED, message_key=key, message_values=shown if holder else {})
            time.sleep(QUEUE_POLL_S)
    finally:
        registry.dequeue(folder.run_id)
    return lease


def _is_first(registry: RunRegistry, folder: RunFolder, device: str) -> bool:
    """Whether no living run waits before this one; the dead ones are passed over."""
    for path in registry.waiting(device):
        if path.name == folder.run_id:
            return True
        if RunFolder(path).is_alive():
            return False
    return True


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON can hold them."""
    return {
        name: value if isinstance(value, str | int | float | bool) or value is None else str(value)
        for name, value in values.items()
    }


if __name__ == "__main__":
    sys.exit(main())

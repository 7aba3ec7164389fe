"""The journal of a worker: reports to a run folder, and the wishes found there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from core.runs.events import EventWriter
from core.runs.folder import RunFolder
from core.runs.lock import steady_clock
from core.runs.states import RunStatus
from core.training.reporting import CANCEL, PAUSE, STOP

BEAT_S = 1.0
STATUS_S = 0.3


class FolderJournal:
    """Reports to a run folder: events at once, the status a few times a second, a heartbeat in a thread."""

    status: RunStatus
    _events: EventWriter
    _over: threading.Event
    _beats: threading.Thread

    def __init__(self, folder: RunFolder, watch: Callable[[], None] | None = None) -> None:
        """`watch` is called with every heartbeat."""
        self.folder, self._watch = folder, watch
        self.terminated = threading.Event()
        self._written = 0.0
        self._moved = steady_clock()
        self.take_back()

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
        return read_wish(self.folder) or (PAUSE if self.terminated.is_set() else None)

    def take_back(self) -> None:
        """Begins to write: events, status and heartbeat are this process's from now on."""
        self.status = self.folder.read_status()
        self._events = self.folder.open_events()
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, args=(self._over,), daemon=True, name="heartbeat")
        self._beats.start()

    def hand_over(self) -> None:
        """Ends writing, so that another process may begin."""
        self.flush()
        self.close()

    def close(self) -> None:
        self._over.set()
        self._beats.join(timeout=2.0)
        self._events.close()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(BEAT_S):
            if self._watch is not None:
                self._watch()
            try:
                self.folder.beat(self._moved)
            except OSError:  # a full disk must not end the thread; readers then see an old heartbeat
                continue


class SilentJournal:
    """The journal of every process of a run but the first: says nothing, and hears the same wishes."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def event(self, kind: str, **fields: Any) -> None:
        """Only the first process reports."""

    def progress(self, **changes: Any) -> None:
        """Only the first process reports."""

    def wish(self) -> str | None:
        return read_wish(self.folder)


def read_wish(folder: RunFolder) -> str | None:
    """What the user, or the machine's shutdown, wants of this run."""
    if folder.cancel_path.exists():
        return CANCEL
    if folder.stop_path.exists():
        return STOP
    return PAUSE if folder.pause_path.exists() else None

"""The SQLite file behind `queue_db.py`: opened for each call, read though it is locked, made anew when damaged.

Nothing in it is lost with it: summaries are read from the run folders again, and so is who waits. What is gone is
the order that a person gave to the queue.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from core.runs.lock import held

SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (
    run_id TEXT PRIMARY KEY, path TEXT NOT NULL, device TEXT NOT NULL, place REAL NOT NULL, added REAL NOT NULL);
CREATE INDEX IF NOT EXISTS queue_order ON queue (device, place);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, run_id TEXT NOT NULL, path TEXT NOT NULL, used REAL);
CREATE TABLE IF NOT EXISTS finished (
    run_id TEXT PRIMARY KEY, project_id TEXT NOT NULL, stamp TEXT NOT NULL, summary TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS finished_project ON finished (project_id);
"""
BUSY_MS = 10_000  # a click waits so long for its turn
SOON_MS = 200  # a screen does not
LOCKED_S = 2.0  # so long a file that was found locked is read as it lies there, without another try
_PROBES = (
    "SELECT run_id, path, device, place, added FROM queue LIMIT 1",
    "SELECT token, run_id, path, used FROM tokens LIMIT 1",
    "SELECT run_id, project_id, stamp, summary FROM finished LIMIT 1",
)
_sound: dict[Path, tuple[int, int]] = {}  # (inode, device) of files this process has checked whole
_locked: dict[Path, float] = {}  # until when a file is not waited for


class QueueFile:
    """`refill` tells who waits, (run id, path, device) in order, when the file has to be made anew."""

    def __init__(self, path: Path, refill: Callable[[], list[tuple[str, str, str]]]) -> None:
        self.path, self._refill = path, refill

    def open(self, wait_ms: int = BUSY_MS) -> sqlite3.Connection:
        """A connection to write by.

        Raises:
            sqlite3.Error: the file cannot be opened or stays locked.
        """
        self._require_sound(wait_ms)
        try:
            return self._connect(wait_ms)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged since it was checked
            self._make_anew()
            return self._connect(wait_ms)

    def distrust(self) -> None:
        """The next call looks at the whole file again: an answer was no answer."""
        _sound.pop(self.path, None)

    def open_to_read(self) -> sqlite3.Connection:
        """The file, or what lies in it without its journal where it is locked or cannot be written."""
        if time.monotonic() >= _locked.get(self.path, 0.0):
            try:
                return self.open(SOON_MS)
            except sqlite3.OperationalError:
                _locked[self.path] = time.monotonic() + LOCKED_S
        return self._open_as_it_is()

    def _connect(self, wait_ms: int) -> sqlite3.Connection:
        is_new = not self.path.exists()
        db = sqlite3.connect(self.path, timeout=wait_ms / 1000, isolation_level=None)
        try:
            if is_new or not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'finished'").fetchone():
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript(SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _open_as_it_is(self) -> sqlite3.Connection:
        if self.path.exists():
            db = sqlite3.connect(f"{self.path.as_uri()}?immutable=1", uri=True, isolation_level=None)
            with contextlib.suppress(sqlite3.Error):
                for probe in _PROBES:
                    db.execute(probe)
                return db
            db.close()
        db = sqlite3.connect(":memory:", isolation_level=None)
        db.executescript(SCHEMA)
        return db

    def _require_sound(self, wait_ms: int) -> None:
        """Looks at the whole file once a process, since a damaged page may lie where nobody reads for long."""
        if self._identity() is None or _sound.get(self.path) == self._identity():
            return
        if self._is_damaged(wait_ms):
            self._make_anew()
        identity = self._identity()
        if identity is not None:
            _sound[self.path] = identity

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_dev

    def _is_damaged(self, wait_ms: int) -> bool:
        """
        Raises:
            sqlite3.OperationalError: it cannot be told, since the file is locked or cannot be opened.
        """
        try:
            with contextlib.closing(self._connect(wait_ms)) as db:
                for probe in _PROBES:
                    db.execute(probe)
                return db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok"
        except sqlite3.OperationalError as error:
            if "no such" in str(error):  # a table or a column
                return True
            raise
        except sqlite3.DatabaseError:
            return True

    def _make_anew(self) -> None:
        """One process at a time; who comes second finds a sound file."""
        with held(self.path.with_name(f"{self.path.name}.lock"), wait_s=BUSY_MS / 1000) as mine:
            if not mine or not self._is_damaged(BUSY_MS):
                return
            for suffix in ("", "-wal", "-shm", "-journal"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            with contextlib.closing(self._connect(BUSY_MS)) as db:
                rows = [(*row, place + 1.0, time.time()) for place, row in enumerate(self._refill())]
                db.executemany("INSERT OR IGNORE INTO queue VALUES (?, ?, ?, ?, ?)", rows)

"""The queue of a workspace and its start tokens, in SQLite beside the run folders.

The run folders stay the truth about runs. The database only orders those that wait for a device, remembers which
click started what, and keeps a summary of finished runs so that long lists are quick. Every call opens its own
connection (about 0.1 ms), so threads, processes and two apps on one workspace need no care.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.base.errors import RunError, WorkspaceError
from core.base.folders import undone_on_error

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (
    run_id TEXT PRIMARY KEY, path TEXT NOT NULL, device TEXT NOT NULL, place REAL NOT NULL, added REAL NOT NULL);
CREATE INDEX IF NOT EXISTS queue_order ON queue (device, place);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, run_id TEXT NOT NULL, path TEXT NOT NULL, used REAL);
CREATE TABLE IF NOT EXISTS finished (
    run_id TEXT PRIMARY KEY, project_id TEXT NOT NULL, stamp TEXT NOT NULL, summary TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS finished_project ON finished (project_id);
"""
_BUSY_MS = 10_000


class RunQueue:
    """Queue, tokens and summaries of one workspace.

    Raises:
        WorkspaceError: the database cannot be opened or written.
    """

    def __init__(self, workspace_dir: Path) -> None:
        self.workspace_dir = workspace_dir.resolve()
        self.path = self.workspace_dir / "runs.db"

    # Queue
    def enqueue(self, run_dir: Path, device: str) -> None:
        """Puts a run at the end of its device's queue; a run that waits already keeps its place."""
        with self._transaction() as db:
            last = db.execute("SELECT COALESCE(MAX(place), 0) FROM queue WHERE device = ?", (device,)).fetchone()[0]
            db.execute(
                "INSERT OR IGNORE INTO queue VALUES (?, ?, ?, ?, ?)",
                (run_dir.name, self._relative(run_dir), device, last + 1.0, time.time()),
            )

    def dequeue(self, run_id: str) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM queue WHERE run_id = ?", (run_id,))

    def waiting(self, device: str | None = None) -> list[Path]:
        """Folders of the waiting runs, first to be started first."""
        question = "SELECT path FROM queue WHERE ? IS NULL OR device = ? ORDER BY place, added"
        with self._reading() as db:
            rows = db.execute(question, (device, device)).fetchall()
        return [self.workspace_dir / row[0] for row in rows]

    def waiting_with_device(self) -> list[tuple[Path, str]]:
        """(folder, device) of all waiting runs, device by device, first to be started first."""
        with self._reading() as db:
            rows = db.execute("SELECT path, device FROM queue ORDER BY device, place, added").fetchall()
        return [(self.workspace_dir / row[0], row[1]) for row in rows]

    def queued_device(self, run_id: str) -> str | None:
        with self._reading() as db:
            row = db.execute("SELECT device FROM queue WHERE run_id = ?", (run_id,)).fetchone()
        return row[0] if row else None

    def move(self, run_id: str, place: int) -> None:
        """Gives a waiting run another place (1 is next); the others close up.

        Raises:
            RunError: the run does not wait.
        """
        with self._transaction() as db:
            row = db.execute("SELECT device FROM queue WHERE run_id = ?", (run_id,)).fetchone()
            if row is None:
                raise RunError("run.not_queued", name=run_id)
            order = "SELECT run_id FROM queue WHERE device = ? ORDER BY place, added"
            ids = [r[0] for r in db.execute(order, row).fetchall() if r[0] != run_id]
            ids.insert(max(0, min(len(ids), place - 1)), run_id)
            db.executemany("UPDATE queue SET place = ? WHERE run_id = ?", [(i + 1.0, r) for i, r in enumerate(ids)])

    # Start tokens
    def claim_token(self, token: str, run_dir: Path) -> Path | None:
        """Ties a click to a run. Returns None when this is the first use, else the folder the first use led to."""
        with self._transaction() as db:
            row = db.execute("SELECT path FROM tokens WHERE token = ?", (token,)).fetchone()
            if row is not None:
                return self.workspace_dir / row[0]
            values = (token, run_dir.name, self._relative(run_dir), time.time())
            db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", values)
            return None

    def release_token(self, token: str) -> None:
        """Takes a claim back, when the start it stood for was refused."""
        with self._transaction() as db:
            db.execute("DELETE FROM tokens WHERE token = ?", (token,))

    # Summaries of finished runs
    def read_summaries(self, project_id: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """Run id -> (stamp of the files it was made from, summary)."""
        question = "SELECT run_id, stamp, summary FROM finished WHERE project_id = ?"
        with self._reading() as db:
            rows = db.execute(question, (project_id,)).fetchall()
        return {run_id: (stamp, json.loads(summary)) for run_id, stamp, summary in rows}

    def write_summaries(self, project_id: str, summaries: dict[str, tuple[str, dict[str, Any]]]) -> None:
        rows = [(run_id, project_id, stamp, json.dumps(value)) for run_id, (stamp, value) in summaries.items()]
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?)", rows)

    def forget(self, run_dir: Path) -> None:
        """Removes every row of a deleted run."""
        with self._transaction() as db:
            db.execute("DELETE FROM queue WHERE run_id = ?", (run_dir.name,))
            db.execute("DELETE FROM tokens WHERE run_id = ?", (run_dir.name,))
            db.execute("DELETE FROM finished WHERE run_id = ?", (run_dir.name,))

    def _relative(self, run_dir: Path) -> str:
        return str(run_dir.resolve().relative_to(self.workspace_dir))

    def _open(self) -> sqlite3.Connection:
        is_new = not self.path.exists()
        db = sqlite3.connect(self.path, timeout=_BUSY_MS / 1000, isolation_level=None)
        try:
            db.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            if is_new or not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'finished'").fetchone():
                db.execute("PRAGMA journal_mode=WAL")
                db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _open_as_it_is(self) -> sqlite3.Connection:
        """The file without its journal, or an empty queue: for a disk that cannot be written."""
        if self.path.exists():
            db = sqlite3.connect(f"{self.path.as_uri()}?immutable=1", uri=True, isolation_level=None)
            with contextlib.suppress(sqlite3.Error):
                db.execute("SELECT 1 FROM finished LIMIT 1")
                return db
            db.close()
        db = sqlite3.connect(":memory:", isolation_level=None)
        db.executescript(_SCHEMA)
        return db

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._open()
        except sqlite3.OperationalError:
            db = self._open_as_it_is()
        try:
            yield db
        except sqlite3.Error as error:
            raise WorkspaceError("workspace.read_only", path=str(self.path), detail=str(error)) from error
        finally:
            db.close()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        db = None
        try:
            db = self._open()
            yield db
        except sqlite3.Error as error:
            raise WorkspaceError("workspace.read_only", path=str(self.path), detail=str(error)) from error
        finally:
            if db is not None:
                db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            with undone_on_error(lambda: db.execute("ROLLBACK")):
                yield db
            db.execute("COMMIT")

"""The queue of a workspace and its start tokens, in SQLite beside the run folders.

The run folders stay the truth about runs. The database only orders those that wait for a device, remembers which
click started what, and keeps a summary of finished runs so that long lists are quick. Every call opens its own
connection (about 0.1 ms), so threads, processes and two apps on one workspace need no care; see `queue_file.py`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.base.errors import RunError, WorkspaceError
from core.base.folders import undone_on_error
from core.runs.queue_file import BUSY_MS, SOON_MS, QueueFile
from core.runs.waiting import find_waiting


class RunQueue:
    """Queue, tokens and summaries of one workspace.

    Raises:
        WorkspaceError: the database cannot be opened or written.
    """

    def __init__(self, workspace_dir: Path) -> None:
        self.workspace_dir = workspace_dir.resolve()
        self.file = QueueFile(self.workspace_dir / "runs.db", self._waiting_in_folders)
        self.path = self.file.path

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
        return [path for path, own in self.waiting_with_device() if device in (None, own)]

    def waiting_with_device(self) -> list[tuple[Path, str]]:
        """(folder, device) of all waiting runs, device by device, first to be started first."""
        question = "SELECT path, device FROM queue ORDER BY device, place, added"
        try:
            with self._reading() as db:
                rows = db.execute(question).fetchall()
        except WorkspaceError:  # the folders know who waits, if not in which order
            return find_waiting(self.workspace_dir)
        return [(self.workspace_dir / row[0], row[1]) for row in rows]

    def queued_device(self, run_id: str) -> str | None:
        return next((device for path, device in self.waiting_with_device() if path.name == run_id), None)

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

    def find_token(self, token: str) -> Path | None:
        """The folder that the first use of a click led to; None for a click that nothing stands for."""
        with self._reading() as db:
            row = db.execute("SELECT path FROM tokens WHERE token = ?", (token,)).fetchone()
        return self.workspace_dir / row[0] if row else None

    def release_token(self, token: str) -> None:
        """Takes a claim back, when the start it stood for was refused."""
        with self._transaction() as db:
            db.execute("DELETE FROM tokens WHERE token = ?", (token,))

    # Summaries of finished runs
    def read_summaries(self, project_ids: Sequence[str]) -> dict[str, tuple[str, dict[str, Any]]]:
        """Run id -> (stamp of the files it was made from, summary) of these projects, by one opening of the file;
        rows that are no JSON are left out."""
        question = "SELECT run_id, stamp, summary FROM finished WHERE project_id = ?"
        with self._reading() as db:
            rows = [row for project_id in project_ids for row in db.execute(question, (project_id,))]
        found = {}
        for run_id, stamp, summary in rows:
            with contextlib.suppress(ValueError, TypeError, RecursionError):
                found[run_id] = (stamp, dict(json.loads(summary)))
        return found

    def write_summaries(self, project_id: str, summaries: dict[str, tuple[str, dict[str, Any]]]) -> None:
        rows = [(run_id, project_id, stamp, json.dumps(value)) for run_id, (stamp, value) in summaries.items()]
        with self._transaction(SOON_MS) as db:  # a memory only: nobody waits for it
            db.executemany("INSERT OR REPLACE INTO finished VALUES (?, ?, ?, ?)", rows)

    def forget(self, run_dir: Path) -> None:
        """Removes every row of a deleted run."""
        with self._transaction() as db:
            db.execute("DELETE FROM queue WHERE run_id = ?", (run_dir.name,))
            db.execute("DELETE FROM tokens WHERE run_id = ?", (run_dir.name,))
            db.execute("DELETE FROM finished WHERE run_id = ?", (run_dir.name,))
        self._overwrite_freed()

    def forget_project(self, project_id: str) -> None:
        """Removes every row of a deleted project, and from the file what SQLite would only mark as free."""
        with self._transaction() as db:
            for table in ("queue", "tokens"):
                db.execute(f"DELETE FROM {table} WHERE path LIKE ?", (f"projects/{project_id}/%",))
            db.execute("DELETE FROM finished WHERE project_id = ?", (project_id,))
        self._overwrite_freed()

    def _overwrite_freed(self) -> None:
        with self._worded(), contextlib.closing(self.file.open()) as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _waiting_in_folders(self) -> list[tuple[str, str, str]]:
        """The queue as the run folders tell it, for a new file: (run id, path, device), first made first."""
        return [(path.name, self._relative(path), device) for path, device in find_waiting(self.workspace_dir)]

    def _relative(self, run_dir: Path) -> str:
        return str(run_dir.resolve().relative_to(self.workspace_dir))

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A file that is locked or cannot be written is read as it lies there; a damaged one is made anew."""
        with self._worded():
            db = self.file.open_to_read()
            try:
                yield db
            finally:
                db.close()

    @contextlib.contextmanager
    def _transaction(self, wait_ms: int = BUSY_MS) -> Iterator[sqlite3.Connection]:
        with self._worded():
            db = self.file.open(wait_ms)
            try:
                db.execute("BEGIN IMMEDIATE")
                with undone_on_error(lambda: db.execute("ROLLBACK")):
                    yield db
                db.execute("COMMIT")
            finally:
                db.close()

    @contextlib.contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self.file.distrust()
            raise WorkspaceError("workspace.read_only", path=str(self.path), detail=str(error)) from error

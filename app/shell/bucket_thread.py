"""Keeps a second folder up to date while the app runs: a storage bucket that outlives a Space (TASKLOOM_BUCKET)."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from core.base.errors import TaskloomError
from core.runs.bucket_copy import BucketCopy
from core.workspace import Workspace

LOG = logging.getLogger("taskloom.app")
EVERY_S = 60.0


class Copier:
    """A thread that copies what is closed every minute, and at once when something was deleted."""

    def __init__(self, copy: BucketCopy, every_s: float = EVERY_S) -> None:
        self._copy, self._every_s = copy, every_s
        self._wake = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="copies").start()

    def soon(self) -> None:
        self._wake.set()

    def _run(self) -> None:
        while True:
            try:
                self._copy.copy_closed()
            except (TaskloomError, OSError) as error:  # the next minute tries again
                LOG.warning("copies: %s", error)
            self._wake.wait(self._every_s)
            self._wake.clear()


def start_copies(workspace: Workspace) -> Copier | None:
    """Brings back what the bucket holds and begins to copy; None without a bucket.

    Raises:
        WorkspaceError: the bucket's folder cannot be written.
    """
    bucket = os.environ.get("TASKLOOM_BUCKET", "")
    if not bucket:
        return None
    copy = BucketCopy(workspace.root, Path(bucket))
    restored = copy.restore()
    LOG.info("brought back %d parts from %s", len(restored), bucket)
    return Copier(copy)


def forgets_at_restart() -> bool:
    """On a Space the disk is emptied at every restart; only a mounted bucket keeps anything."""
    return bool(os.environ.get("SPACE_ID")) and not os.environ.get("TASKLOOM_BUCKET")

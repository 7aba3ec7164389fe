"""The device of a run, held by a command: refused in words when it is taken, waited for when the command is a
job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

WAIT_S = 0.5


@contextmanager
def hold_device(folder: Any, purpose: str) -> Iterator[None]:
    """Holds the device that the run's settings name.

    Raises:
        RunError: somebody else holds it, and nobody is there to wait.
    """
    from core.base.cards import show_only
    from core.insight.jobs import is_job, note_progress
    from core.runs.device_lease import run_lease

    lease = run_lease(folder, purpose)
    while is_job() and not lease.try_acquire():
        note_progress(0, 0, "waiting")
        time.sleep(WAIT_S)
    with lease:
        if lease.cards:
            show_only(lease.cards)
        yield

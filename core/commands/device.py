"""The device of a run, held by a command: refused in words when it is taken, waited for when the command is a
job."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.base.errors import RunError

WAIT_S = 0.5


@contextmanager
def hold_device(folder: Any, purpose: str) -> Iterator[None]:
    """Holds the device that the run's settings name. A visitor's job works within what the visitor has left.

    Raises:
        RunError: somebody else holds it, and nobody is there to wait.
    """
    from core.base.cards import show_only
    from core.insight.jobs import is_job, note_progress
    from core.runs.device_lease import run_lease
    from core.runs.job_folder import WAITING

    lease = run_lease(folder, purpose)
    while is_job() and not lease.try_acquire():
        note_progress(0, 0, WAITING)
        time.sleep(WAIT_S)
    with lease:
        if lease.cards:
            show_only(lease.cards)
        with within_share(folder):
            yield


@contextmanager
def within_share(folder: Any) -> Iterator[None]:
    """Nothing is bounded but a visitor's job: by the seconds it was given, and by the memory that a run may take.

    Raises:
        RunError: from within the block, once the seconds are over; again each minute, where somebody caught it.
    """
    from core.insight.jobs import SECONDS, note_progress
    from core.runs.memory_limit import held_to_limit

    seconds = int(os.environ.get(SECONDS, "0"))
    if not seconds:
        yield
        return

    def end(*_: Any) -> None:
        raise RunError("quota.job_over", minutes=math.ceil(seconds / 60))

    note_progress(0, 0)  # from now on it counts
    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, 60.0)
    try:
        with held_to_limit(folder.read_config()):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

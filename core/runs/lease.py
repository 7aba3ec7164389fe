"""Whether a worker of another machine still beats: the heartbeat in the run folder, by a clock both sides share.

Clocks of two machines differ, and each steady clock is known to its own boot alone. What both write to is the file
system, which dates the heartbeat and a probe of the reader with one clock: the file server's.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from core.runs.folder import RunFolder
from core.runs.lock import try_lock

FRESH_S = 90.0  # a shared file system shows a new date a minute late
START_WAIT_S = 5.0
HANDOVER_S = 60.0  # an engine may begin before whoever asked it has the receipt and lets go of the lock
_PROBE = ".clock"


def lease_ages(folder: RunFolder) -> tuple[float, float] | None:
    """Seconds since the last heartbeat, and since the last progress; None before the first one.

    The second adds what the worker's own steady clock says lay between the two.
    """
    try:
        beaten = folder.heartbeat_path.stat().st_mtime
        beat = json.loads(folder.heartbeat_path.read_text(encoding="ascii"))
        idle = max(0.0, float(beat["steady"]) - float(beat["moved"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # it is being written
        idle = 0.0
        if not folder.heartbeat_path.exists():
            return None
        beaten = folder.heartbeat_path.stat().st_mtime
    age = max(0.0, _file_clock(folder.path) - beaten)
    return age, age + idle


def is_fresh(folder: RunFolder) -> bool:
    """Whether a worker has beaten within the lease."""
    ages = lease_ages(folder)
    return ages is not None and ages[0] <= FRESH_S


def launch_age(folder: RunFolder) -> float:
    """Seconds since the last start was noted; endless where none was."""
    try:
        noted = folder.launch_path.stat().st_mtime
    except OSError:
        return math.inf
    return max(0.0, _file_clock(folder.path) - noted)


def _file_clock(place: Path) -> float:
    """Now, as the file system of a folder dates it; this machine's clock where nothing can be written."""
    probe = place / _PROBE
    try:
        probe.touch()
        os.utime(probe)
        return probe.stat().st_mtime
    except OSError:
        return time.time()


def take_lock(folder: RunFolder, launch_id: str | None) -> int | None:
    """The run's lock for a worker that inherits none; None when somebody else keeps it. While the start is noted
    without the engine's receipt, its launcher still holds the lock, on a busy machine for long."""
    if launch_id is None:
        return try_lock(folder.lock_path, 0.05)
    end = time.monotonic() + HANDOVER_S
    while time.monotonic() < end and _is_handed_over(folder, launch_id):
        lock = try_lock(folder.lock_path, 0.5)
        if lock is not None:
            return lock
    return try_lock(folder.lock_path, START_WAIT_S)


def may_begin(folder: RunFolder, launch_id: str | None) -> bool:
    """Whether a worker that an engine started is still meant: not when the run has ended, or was started again. A
    worker of this machine (None) holds a lock that was handed to it."""
    return launch_id is None or (not folder.done_path.exists() and _is_named(folder, launch_id) is not False)


def stays_named(folder: RunFolder, launch_id: str | None, leave: Callable[[], None]) -> Callable[[], None] | None:
    """A look for every heartbeat of an engine's worker: it leaves as soon as launch.json names another start than
    its own, so that a worker that was thought lost cannot write beside the one that took its place."""
    if launch_id is None:
        return None
    return lambda: leave() if _is_named(folder, launch_id) is False else None


def _is_named(folder: RunFolder, launch_id: str) -> bool | None:
    """None while it cannot be told."""
    try:
        launch = json.loads(folder.launch_path.read_text(encoding="utf-8"))
        return bool(launch.get("launch_id") == launch_id)
    except FileNotFoundError:
        return False  # the start was taken back
    except (OSError, ValueError, AttributeError):
        return None


def _is_handed_over(folder: RunFolder, launch_id: str) -> bool:
    """Whether this start waits for the engine's receipt."""
    try:
        launch = json.loads(folder.launch_path.read_text(encoding="utf-8"))
        return bool(launch.get("launch_id") == launch_id and "job" not in launch)
    except (OSError, ValueError, AttributeError):
        return False

"""Locks that the kernel frees on any death of their holder (flock), and the clock that no clock jump touches."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from core.base.errors import WorkspaceError

_ASKING_S = 0.05  # a reader that asks `is_locked` holds a shared lock for some microseconds


def try_lock(path: Path, wait_s: float = _ASKING_S) -> int | None:
    """Takes the lock file and returns its descriptor, or None when somebody alive still holds it after `wait_s`.

    The descriptor may be inherited by a child (`pass_fds`): the lock lives until the last copy is closed.

    Raises:
        WorkspaceError: the file cannot be opened for writing.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(path), detail=error.strerror or "") from error
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(descriptor)
                return None
            time.sleep(0.005)
        else:
            return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody alive holds the lock. Works on a read-only file system; asks by a shared lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def held(path: Path, wait_s: float = _ASKING_S) -> Iterator[bool]:
    """Holds the lock for a block; yields False when it stayed taken for `wait_s` seconds."""
    descriptor = try_lock(path, wait_s)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def steady_clock() -> float:
    """Seconds that only go forward and are the same in all processes of one boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

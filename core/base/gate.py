"""What stands before child processes that somebody waits for: room for them, and whether they are still wanted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass

from core.base.errors import RunError

LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Gate:
    """What somebody says of the children that are started for it: `room` holds a place for one more, which may take
    so many seconds, while it is at work; `is_wanted` tells whether anybody still waits for what it brings."""

    room: Callable[[float], AbstractContextManager[None]]
    is_wanted: Callable[[], bool]


_GATE: ContextVar[Gate | None] = ContextVar("gate", default=None)


@contextlib.contextmanager
def gated(gate: Gate) -> Iterator[None]:
    """While the block runs, children that this thread waits for pass this gate."""
    before = _GATE.set(gate)
    try:
        yield
    finally:
        _GATE.reset(before)


def current_gate() -> Gate | None:
    """None where nobody has set one: on the command line, in a worker."""
    return _GATE.get()


def wait_wanted(wait: Callable[[float], int | None], seconds: float, gate: Gate) -> int | None:
    """An exit code as soon as there is one; None when there was none in time. `wait` looks for it so many seconds.

    Raises:
        RunError: nobody wants it any more.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        code = wait(min(left, LOOK_EVERY_S))
        if code is not None:
            return code
        if not gate.is_wanted():
            raise RunError("run.unwanted")
    return None

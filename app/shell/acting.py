"""For whom a handler is at work, and whether that is still wanted: set once where it begins, in the wrapper of
every handler.

Gradio gives up an event that is cancelled, not the thread that answers it. So handlers are counted here, where they
end, and a child process that one of them started ends with the event that asked for it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from gradio.context import LocalContext

from core.base.errors import RunError
from core.base.gate import Gate, gated

T = TypeVar("T")
PATIENCE_S = 120.0  # for room among the processes
SHORT_S = 120.0  # who may take longer is bound once more; a look at a file may not
LOOK_EVERY_S = 0.2


class Room:
    """So many at once of one owner and of all. Owners are counted while they are at work, and forgotten then."""

    def __init__(self, of_owner: int, of_all: int) -> None:
        self.of_owner, self.of_all = of_owner, of_all
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()

    def enter(self, owner: str) -> bool:
        with self._lock:
            if self._inside[owner] >= self.of_owner or self._inside.total() >= self.of_all:
                return False
            self._inside[owner] += 1
            return True

    def has_share_of(self, owner: str) -> bool:
        """Whether this owner is kept out by what is theirs, not by others."""
        with self._lock:
            return self._inside[owner] >= self.of_owner

    def leave(self, owner: str) -> None:
        with self._lock:
            self._inside[owner] -= 1
            if not self._inside[owner]:
                del self._inside[owner]


# Handlers that answer somebody: more than the queue ever lets one page have at work, so that only those whose
# events were cancelled again and again are met by it.
HANDLERS = Room(48, 10_000)
# Processes at their work: reading a file may take 2 GB, an export several.
CHILDREN = Room(3, 6)
# Of these the ones that may take long, such as imports and exports: two visitors cannot hold the places of all
# others with them, and a short look at a file finds one in any case.
LONG_CHILDREN = Room(2, 5)
_OWNER: ContextVar[str] = ContextVar("owner", default="")


@contextmanager
def acting_for(owner: str) -> Iterator[None]:
    """While the block runs a handler works for this owner ("" for nobody in particular).

    Raises:
        RunError: too many do so already.
    """
    if not HANDLERS.enter(owner):
        raise RunError("visitor.busy")
    before = _OWNER.set(owner)
    try:
        with gated(Gate(_child_room, is_wanted())):
            yield
    finally:
        _OWNER.reset(before)
        HANDLERS.leave(owner)


def stream_for(owner: str, stream: Iterator[T]) -> Iterator[T]:
    """A generator that works for this owner in each of its steps, which Gradio takes in threads of their own."""
    nothing = object()
    try:
        while True:
            with acting_for(owner):
                found = next(stream, nothing)
            if found is nothing:
                return
            yield found  # type: ignore[misc]
    finally:
        if close := getattr(stream, "close", None):
            close()


def is_wanted() -> Callable[[], bool]:
    """Says from then on whether the event of this thread has been cancelled; where there is none, it never is."""
    blocks, event = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    known = blocks._queue.event_ids_to_events if blocks is not None else {}
    if event not in known:
        return lambda: True
    return lambda: event in known


@contextmanager
def _child_room(seconds: float) -> Iterator[None]:
    """Room for one more child process of this owner, which may take so long; waited for.

    Raises:
        RunError: there was none for long, or nobody waits any more.
    """
    owner, wanted, end = _OWNER.get(), is_wanted(), time.monotonic() + PATIENCE_S
    rooms = (LONG_CHILDREN, CHILDREN) if seconds > SHORT_S else (CHILDREN,)
    while not _enter_all(rooms, owner):
        if time.monotonic() > end or not wanted():
            own = any(room.has_share_of(owner) for room in rooms)
            raise RunError("visitor.busy" if own else "visitor.crowded")
        time.sleep(LOOK_EVERY_S)
    try:
        yield
    finally:
        for room in rooms:
            room.leave(owner)


def _enter_all(rooms: tuple[Room, ...], owner: str) -> bool:
    for number, room in enumerate(rooms):
        if not room.enter(owner):
            for entered in rooms[:number]:
                entered.leave(owner)
            return False
    return True

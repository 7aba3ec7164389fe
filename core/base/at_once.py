"""The same work on many things, several at a time, outcomes as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial
from multiprocessing.context import TimeoutError as NotYet
from multiprocessing.pool import ThreadPool
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
LOOK_S = 0.1  # how often it is looked whether somebody wants it to end


def work_at_once(
    work: Callable[[T], R | None],
    things: Sequence[T],
    at_once: int,
    stop: threading.Event,
    at_end: Callable[[], object] | None = None,
) -> Generator[tuple[int, R], None, None]:
    """(place, outcome) of each thing, in the order in which they end.

    Once `stop` is set, or the iterator is closed (which sets it), no other work begins, and nobody waits for what
    is under way, neither here nor when the program ends: an answer from afar may take minutes.

    Args:
        work: gives None when it ended early because of `stop`: no outcome.
        at_end: called when the last work under way has ended too, wherever that is.

    Raises:
        Exception: what `work` raises; the rest ends as after a stop.
    """
    pool = ThreadPool(at_once)  # its threads are daemons, other than those of an executor
    try:
        found = pool.imap_unordered(partial(_placed, work, stop), enumerate(things))
        while True:
            try:
                outcome = found.next(0 if stop.is_set() else LOOK_S)
            except NotYet:
                if stop.is_set():
                    return
            except StopIteration:
                return
            else:
                if outcome is not None:
                    yield outcome
    finally:
        stop.set()
        pool.terminate()
        threading.Thread(target=_end, args=(pool, at_end), daemon=True).start()


def _placed(work: Callable[[T], R | None], stop: threading.Event, pair: tuple[int, T]) -> tuple[int, R] | None:
    place, thing = pair
    outcome = None if stop.is_set() else work(thing)
    return None if outcome is None else (place, outcome)


def _end(pool: ThreadPool, at_end: Callable[[], object] | None) -> None:
    pool.join()
    if at_end is not None:
        at_end()

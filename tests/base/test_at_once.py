"""Work on many things at once: outcomes with their places, an end that waits for nobody."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from core.base.at_once import work_at_once

PATIENCE_S = 30  # only a test that fails waits


def test_every_thing_gets_its_outcome_and_what_ended_early_none() -> None:
    ended = threading.Event()
    found = work_at_once(lambda n: n * n if n != 2 else None, [3, 2, 1, 0], 2, threading.Event(), ended.set)
    assert dict(found) == {0: 9, 2: 1, 3: 0}
    assert ended.wait(PATIENCE_S)


def test_an_error_of_one_ends_all() -> None:
    stop = threading.Event()
    with pytest.raises(ZeroDivisionError):
        list(work_at_once(lambda n: 1 // n, [1, 0, 1], 1, stop))
    assert stop.is_set()


class Afar:
    """Answers the first at once; all others are under way until `let_go`."""

    def __init__(self) -> None:
        self.let_go, self.begun, self.came_back, self.closed = (threading.Event() for _ in range(4))
        self.asked: list[int] = []

    def ask(self, n: int) -> int:
        self.asked.append(n)
        if n:
            self.begun.set()
            self.let_go.wait(PATIENCE_S)
            self.came_back.set()
        return n


@pytest.mark.parametrize("by_closing", [True, False])
def test_the_end_waits_for_nobody_and_begins_nothing(by_closing: bool) -> None:
    afar, stop = Afar(), threading.Event()
    with closing(work_at_once(afar.ask, list(range(50)), 2, stop, afar.closed.set)) as found:
        assert next(found) == (0, 0)
        assert afar.begun.wait(PATIENCE_S)
        if not by_closing:
            stop.set()
            assert list(found) == []
    assert not afar.came_back.is_set()
    assert not afar.closed.is_set()  # what carries the requests is still in use
    afar.let_go.set()
    assert afar.closed.wait(PATIENCE_S)
    assert len(afar.asked) <= 3

"""What is at work in this process besides runs and jobs: files being read, exports, pushes, merges.

It lives as long as the work itself, so nothing of it is written down.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """One piece of work; `kind` is worded by `work.<kind>`, a click on it leads to `screen`."""

    owner: str
    project_id: str
    run_id: str
    kind: str
    screen: str


class WorkList:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: list[Work] = []

    @contextmanager
    def doing(self, work: Work) -> Iterator[None]:
        with self._lock:
            self._under_way.append(work)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.remove(work)

    def of(self, owner: str) -> list[Work]:
        """Oldest first; only this owner's."""
        with self._lock:
            return [work for work in self._under_way if work.owner == owner]

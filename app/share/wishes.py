"""What one page has asked to be made, in its order, and what came of it: an outcome belongs to its own choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Choice:
    """What is to be made: of which state of a run (`about`, see `Context.results_seen`), as what, with rows shown
    or not."""

    about: tuple[Any, ...]
    kind: str
    task: str
    examples: bool


@dataclass(frozen=True)
class Outcome:
    """The file to download, or '' with what went wrong in `said`."""

    path: str
    said: str

    @property
    def is_there(self) -> bool:
        """Files are kept for an hour."""
        return not self.path or Path(self.path).is_file()


@dataclass
class Wishes:
    """Lives in the page's session and is changed in place, since wishes come while others are under way."""

    waiting: list[Choice] = field(default_factory=list)
    made: dict[Choice, Outcome] = field(default_factory=dict)
    pushed: dict[Choice, str] = field(default_factory=dict)  # HTML of what went to the Hub

    def ask(self, choice: Choice) -> None:
        """At the end of the queue; what waits already, or is there to download, is not made twice."""
        known = self.made.get(choice)
        if choice not in self.waiting and (known is None or not known.path or not known.is_there):
            self.made.pop(choice, None)
            self.waiting.append(choice)

    def make_next(self, make: Callable[[Choice], Outcome]) -> None:
        """Makes what was asked for first; nothing when nothing waits."""
        if not self.waiting:
            return
        choice = self.waiting[0]
        try:
            self.made[choice] = make(choice)
        finally:
            self.waiting.remove(choice)

    def place_of(self, choice: Choice) -> int | None:
        """0: it is being made; n: that many are made before it; None: it does not wait."""
        return self.waiting.index(choice) if choice in self.waiting else None

    def outcome_of(self, choice: Choice) -> Outcome | None:
        known = self.made.get(choice)
        return known if known is not None and known.is_there else None

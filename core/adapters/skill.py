"""What a column of the allocation is: one word for training, which makes it, and the screens, which read it."""

from __future__ import annotations

from dataclasses import dataclass

COMMON, PRIVATE = "common", "private"


@dataclass(frozen=True)
class Skill:
    """One column of the allocation: a common skill (`task` None) or a private one of a task (`task` is its row)."""

    name: str
    kind: str
    task: int | None = None

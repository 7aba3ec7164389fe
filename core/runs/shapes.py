"""What must stand in the JSON files of a run, so that a damaged one is named where it is read and nowhere else.

More may stand in them; it is checked by whoever reads it. pydantic compares a file with its dataclass here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Ending = Literal["failed", "cancelled", "succeeded"]


@dataclass(frozen=True)
class TaskEntry:
    """A task in run.json; `index` is its row in the allocation."""

    index: int
    name: str
    task_id: str = ""
    kind: str = ""
    metric: str = ""
    num_train: int = 0
    num_validation: int = 0
    num_test: int = 0


@dataclass(frozen=True)
class RunRecord:
    """run.json. Without a name the folder's stands for it."""

    tasks: list[TaskEntry]
    name: str = ""
    run_id: str = ""
    created: float | None = None
    method: str = ""
    base_model: str = ""
    notes: str = ""
    starred: bool = False
    made_from: str | None = None
    part_of: str | None = None
    launcher: str = "local"
    on: str = ""


@dataclass(frozen=True)
class FinalMarker:
    """DONE. `files` are sizes in bytes of what a succeeded run left."""

    state: Ending
    files: dict[str, int] = field(default_factory=dict)
    failure: str | None = None
    ended: float | None = None
    message_key: str | None = None
    message_values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskScores:
    """A task in results.json; scores are {value, low, high, n}, or None where nobody was examined. `guesses` by
    name, and which is the best; older files have none."""

    index: int
    name: str
    base: dict[str, float] | None = None
    tuned: dict[str, float] | None = None
    guesses: dict[str, dict[str, float]] = field(default_factory=dict)
    best_guess: str | None = None


@dataclass(frozen=True)
class Means:
    """Over the tasks that were examined, 0..1."""

    base: float | None = None
    tuned: float | None = None


@dataclass(frozen=True)
class Results:
    """results.json, see `core.evaluation.results.build_results`."""

    tasks: list[TaskScores]
    mean: Means = field(default_factory=Means)

"""Curves of one run, grown event by event: a page asks only for what is newer than its cursor, and the browser gets
only the points it has not seen (`Curves.news`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Points = list[tuple[int, float]]
MOST_KEPT = 2000  # points of one line, five times what a plot shows: each page that watches a run holds its own
MEASURES = ("mean", "lr_skills", "lr_allocation", "gradient_norm", "tokens_per_s")


@dataclass
class Curves:
    """`cursor` is the id of the last event taken in; `practice` and `checks` hold (step, loss) by task name,
    `measures` what the run as a whole reports.

    `news` are the points of the last `take`: ("practice" | "checks" | "measures", name) -> points. `number` counts
    the times that something grew, so that a browser notices when it missed one.
    """

    run_id: str = ""
    cursor: int = 0
    practice: dict[str, Points] = field(default_factory=dict)
    checks: dict[str, Points] = field(default_factory=dict)
    measures: dict[str, Points] = field(default_factory=lambda: {name: [] for name in MEASURES})
    stage2_start: int | None = None
    number: int = 0
    news: dict[tuple[str, str], Points] = field(default_factory=dict)

    def take(self, events: Iterable[dict[str, Any]]) -> bool:
        """Adds events; True when a curve has grown. A run resumed from a checkpoint replaces its later steps."""
        self.news = {}
        names, marked = list(self.practice), self.stage2_start
        for event in events:
            self.cursor = max(self.cursor, event["id"])
            if event["kind"] == "stage" and event.get("stage") == 2 and self.stage2_start is None:
                self.stage2_start = event.get("first_step") or self._last_step()
            if event["kind"] not in ("loss", "validation"):
                continue
            kind = "practice" if event["kind"] == "loss" else "checks"
            for index, value in (event.get("by_task") or {}).items():
                if int(index) < len(names):
                    self._grow(kind, names[int(index)], event["step"], value)
            for name in MEASURES:
                self._grow("measures", name, event["step"], event.get(name))
        grown = bool(self.news) or marked != self.stage2_start
        self.number += grown
        return grown

    def points(self, kind: str, name: str) -> Points:
        held: dict[str, dict[str, Points]] = {
            "practice": self.practice,
            "checks": self.checks,
            "measures": self.measures,
        }
        return held[kind].setdefault(name, [])

    def _grow(self, kind: str, name: str, step: int, value: float | None) -> None:
        if value is not None:
            _add(self.points(kind, name), int(step), float(value))
            _add(self.news.setdefault((kind, name), []), int(step), float(value))

    def _last_step(self) -> int | None:
        return max((points[-1][0] for points in self.practice.values() if points), default=None)


def new_curves(run_id: str, task_names: Iterable[str]) -> Curves:
    """Empty curves with one entry a task, so that every panel exists from the start."""
    return Curves(run_id, practice={name: [] for name in task_names})


def _add(points: Points, step: int, value: float) -> None:
    while points and points[-1][0] >= step:
        points.pop()
    points.append((step, value))
    if len(points) > MOST_KEPT:
        points[:] = _evenly(points, MOST_KEPT // 2)


def _evenly(points: Points, most: int) -> Points:
    """At most `most` points at even steps: means of neighbours, as a plot would draw them."""
    first, span = points[0][0], points[-1][0] - points[0][0] + 1
    groups: dict[int, Points] = {}
    for point in points:
        groups.setdefault((point[0] - first) * most // span, []).append(point)
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups.values()]

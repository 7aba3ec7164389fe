"""Loss curves of one run, grown event by event: a page asks only for what is newer than its cursor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Points = list[tuple[int, float]]


@dataclass
class Curves:
    """`cursor` is the id of the last event taken in; `practice` and `checks` hold (step, loss) by task name."""

    run_id: str = ""
    cursor: int = 0
    practice: dict[str, Points] = field(default_factory=dict)
    checks: dict[str, Points] = field(default_factory=dict)
    stage2_start: int | None = None

    def take(self, events: Iterable[dict[str, Any]]) -> bool:
        """Adds events; True when a curve has grown. A run resumed from a checkpoint replaces its later steps."""
        grown = False
        names = list(self.practice)
        for event in events:
            self.cursor = max(self.cursor, event["id"])
            if event["kind"] == "stage" and event.get("stage") == "stage2" and self.stage2_start is None:
                self.stage2_start = event.get("step") or self._last_step()
                grown = True
            target = {"loss": self.practice, "validation": self.checks}.get(event["kind"])
            if target is None:
                continue
            for index, value in (event.get("by_task") or {}).items():
                if value is not None and int(index) < len(names):
                    _add(target.setdefault(names[int(index)], []), int(event["step"]), float(value))
                    grown = True
        return grown

    def _last_step(self) -> int | None:
        return max((points[-1][0] for points in self.practice.values() if points), default=None)


def new_curves(run_id: str, task_names: Iterable[str]) -> Curves:
    """Empty curves with one entry a task, so that every panel exists from the start."""
    return Curves(run_id, practice={name: [] for name in task_names})


def _add(points: Points, step: int, value: float) -> None:
    while points and points[-1][0] >= step:
        points.pop()
    points.append((step, value))

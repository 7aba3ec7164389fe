"""How fast a run goes and how long it still takes. Torch-free."""

from __future__ import annotations

import statistics
import time
from collections import deque
from typing import Any

EXAM_SHARE = 0.15  # of the progress bar, when there is an exam
_WINDOW = 50


class Pace:
    """Durations of the last steps; checks in between are counted apart, and by how often they still come."""

    def __init__(self, total_steps: int, checks: int, has_exam: bool) -> None:
        self.tokens_per_s: float | None = None
        self._total = total_steps
        self._check_share = checks / max(1, total_steps)
        self._steps: deque[float] = deque(maxlen=_WINDOW)
        self._checks: deque[float] = deque(maxlen=_WINDOW)
        self._training_share = 1.0 - EXAM_SHARE if has_exam else 1.0
        self._last: float | None = None
        self._paused = 0.0

    @property
    def step_seconds(self) -> list[float]:
        """Durations of the last steps."""
        return list(self._steps)

    @property
    def check_seconds(self) -> float:
        """Mean duration of the last checks."""
        return statistics.fmean(self._checks) if self._checks else 0.0

    def pause(self, seconds: float) -> None:
        """Time that no step took: a check."""
        self._checks.append(seconds)
        self._paused += seconds

    def step(self) -> None:
        """Call after every step."""
        now = time.monotonic()
        if self._last is not None:
            self._steps.append(max(0.0, now - self._last - self._paused))
        self._last, self._paused = now, 0.0

    def estimate(self, done: int) -> dict[str, Any]:
        """progress 0..1, eta_s and its range for the training part, tokens_per_s; the exam is not in the ETA until
        training is over, when its own progress tells."""
        values: dict[str, Any] = {
            "progress": round(self._training_share * done / max(1, self._total), 4),
            "tokens_per_s": None if self.tokens_per_s is None else round(self.tokens_per_s, 1),
        }
        if len(self._steps) < 3:
            return values
        left = self._total - done
        extra = left * self._check_share * self.check_seconds
        ordered = sorted(self._steps)
        low, high = (ordered[int(q * (len(ordered) - 1))] for q in (0.25, 0.75))
        mean = statistics.fmean(ordered)
        values["eta_s"] = round(left * mean + extra, 1)
        values["eta_range_s"] = (round(left * min(low, mean) + extra, 1), round(left * max(high, mean) + extra, 1))
        return values

    def exam_progress(self, done: int, total: int) -> float:
        return round(self._training_share + (1.0 - self._training_share) * done / max(1, total), 4)

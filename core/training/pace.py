"""How fast a run goes and how long it still takes. Torch-free."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.files import read_json
from core.training.config import RunConfig
from core.training.plan import RunPlan

EXAM_SHARE = 0.15  # of the progress bar, when there is an exam
_WINDOW = 50
_NARROWEST, _WIDENED = 1.3, 0.6  # factor around the time left: after many steps; what is added to it at the first


class PartClock:
    """Seconds of the clock and of this process's processors that each part of a run takes. Begins when made."""

    def __init__(self) -> None:
        self.parts: dict[str, tuple[float, float]] = {}
        self._last = (time.monotonic(), time.process_time())

    def ends(self, part: str) -> None:
        """`part` ends now, and the next one begins."""
        now = (time.monotonic(), time.process_time())
        self.parts[part] = (now[0] - self._last[0], now[1] - self._last[1])
        self._last = now

    @property
    def seconds(self) -> float:
        """Of the clock, of all parts so far."""
        return sum(wall for wall, _ in self.parts.values())


@dataclass(frozen=True)
class Expected:
    """What was predicted of all that follows training: seconds of the clock, or (`by_processor`) of the processors,
    from which the clock's follow once it is seen how much of the machine the run gets."""

    rest_s: float
    by_processor: bool = False


def read_expected(path: Path) -> Expected | None:
    """From prediction.json; None when nothing was predicted or it does not tell the parts."""
    found = read_json(path) if path.is_file() else {}
    if "processor" in found:
        return Expected(found["processor"]["rest"], True)
    return Expected(found["parts"]["rest"]) if "parts" in found else None


def time_limit(config: RunConfig) -> float:
    """Seconds of the clock that training may take."""
    return math.inf if config.max_hours is None else 3600 * config.max_hours


class Pace:
    """Durations of the last steps; checks in between are counted apart, and by how often they still come.

    What follows training is counted in from the first steps on, at the share of the machine that the run gets now.
    """

    def __init__(
        self,
        total_steps: int,
        checks: int,
        has_exam: bool,
        expected: Expected | None = None,
        limit_s: float = math.inf,
    ) -> None:
        """`limit_s`: seconds of the clock after which training ends, however many steps are left."""
        self.tokens_per_s: float | None = None
        self._total = total_steps
        self._check_share = checks / max(1, total_steps)
        self._steps: deque[float] = deque(maxlen=_WINDOW)
        self._checks: deque[float] = deque(maxlen=_WINDOW)
        self._training_share = 1.0 - EXAM_SHARE if has_exam else 1.0
        self._expected = expected
        self._limit_s = limit_s
        self._first: tuple[float, float] | None = None  # clock and processor after the first step
        self._seen = 0
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
        self._first = self._first or (now, time.process_time())
        if self._last is not None:
            self._steps.append(max(0.0, now - self._last - self._paused))
            self._seen += 1
        self._last, self._paused = now, 0.0

    def estimate(self, done: int, trained_s: float = 0.0) -> dict[str, Any]:
        """progress 0..1, eta_s and its range, tokens_per_s, after `trained_s` seconds of training. The time left is
        that of the whole run where something was predicted, else of training alone; during the exam its own
        progress tells."""
        part = max(done / max(1, self._total), min(1.0, trained_s / self._limit_s))
        values: dict[str, Any] = {
            "progress": round(self._training_share * part, 4),
            "tokens_per_s": None if self.tokens_per_s is None else round(self.tokens_per_s, 1),
        }
        if len(self._steps) < 3:
            return values
        step = statistics.fmean(self._steps) + self._check_share * self.check_seconds
        left = min((self._total - done) * step, max(0.0, self._limit_s - trained_s))
        if self._expected is not None:
            left += self._expected.rest_s * (self._slowness() if self._expected.by_processor else 1.0)
        unsure = _NARROWEST + _WIDENED / math.sqrt(self._seen)
        values["eta_s"] = round(left, 1)
        values["eta_range_s"] = (round(left / unsure, 1), round(left * unsure, 1))
        return values

    def _slowness(self) -> float:
        """Seconds of the clock for each of this process's processors, since the first step."""
        began, used = self._first or (0.0, 0.0)
        spent = time.process_time() - used
        return (time.monotonic() - began) / spent if spent > 0 else 1.0

    def exam_progress(self, done: int, total: int) -> float:
        return round(self._training_share + (1.0 - self._training_share) * done / max(1, total), 4)


def pace_of(plan: RunPlan, config: RunConfig, prediction: Path) -> Pace:
    """Of a run that is about to train."""
    checks = sum(-(-stage.steps // stage.evaluate_every) for stage in plan.stages)
    expected = read_expected(prediction)
    return Pace(plan.total_steps, checks, config.exam_rows != 0, expected, time_limit(config))

"""How far a score, or the difference of two, can be trusted: one rule for every table of the workbench. Torch-free.

Right-or-wrong answers: Wilson's score interval (Wilson 1927) for a share, Newcombe's hybrid score interval
(Newcombe 1998, method 10) for two shares on the same rows. Everything else: percentile bootstrap over rows, 95 %,
seeded (Efron, Tibshirani 1993, ch. 13; paired: Koehn 2004). A bootstrap of a few rows, or of rows that all say the
same, hardly moves; there it is widened to what Wilson's interval says of as many rows, which is safe because no
value between 0 and 1 varies more than right and wrong do. So no interval is a point.

Below FEW rows nothing is sure.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.tasks.enough import FEW_EXAM

Array = NDArray[np.float64]
Value = Callable[[Array], Array]  # column sums [r, k] of rows of statistics -> values [r]
NUM_RESAMPLES = 1000
FEW = FEW_EXAM
MANY = 10**9  # rows behind a value that is a mean over tokens: nothing is left open by their number
SURE_BELOW = 0.05
_CHUNK = 250
_Z = 1.959963984540054  # of the normal distribution, two-sided 95 %


@dataclass(frozen=True)
class Score:
    """A value with its 95 % interval over `n` answers; NaN-free: without answers everything is 0 and n is 0."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """Second minus first on the same rows: value, 95 % interval, two-sided p-value of "no difference", never 0."""

    value: float
    low: float
    high: float
    p: float
    n: int

    @property
    def is_sure(self) -> bool:
        return is_sure(self, self.p)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_clear(low: float, high: float, rows: int) -> bool:
    """Whether an interval leaves out zero and enough exam rows stand behind it; never for NaN."""
    return bool(rows >= FEW and (low > 0 or high < 0))


def is_sure(difference: Difference, p: float) -> bool:
    """Whether a difference is called real: `is_clear`, and a p-value, corrected where several were looked at, below
    0.05."""
    return is_clear(difference.low, difference.high, difference.n) and p < SURE_BELOW


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): the smallest is multiplied by it, the next by one less, and
    so on; in the order given."""
    adjusted, running = [1.0] * len(ps), 0.0
    for place, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        running = max(running, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = running
    return adjusted


def mean_interval(given: Sequence[float] | Array, rows: int) -> tuple[float, float]:
    """95 % t-interval of a mean over seeds or draws, each measured on `rows` exam rows; (nan, nan) for fewer than
    two values. Few rows, or values that are all the same, leave open what so many rows can miss."""
    values = np.asarray(given, dtype=np.float64)
    if len(values) < 2:
        return float("nan"), float("nan")
    from scipy.stats import t as student  # half a second: only for studies and curves

    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    if rows < FEW or half == 0:
        half += wilson(0.0, rows)[1]
    return float(values.mean()) - half, float(values.mean()) + half


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean over tasks, each with exam rows of its own: the distances to the ends of the intervals add in squares
    (Zou, Donner, Statistics in Medicine 2008). It is about other exam rows of these tasks, not about other tasks or
    another training; `n` is the smallest task's."""
    value = sum(score.value for score in scores) / len(scores)
    below, above = (_joint([getattr(s, end) - s.value for s in scores]) for end in ("low", "high"))
    return Score(value, value - below, value + above, min(score.n for score in scores))


def mean_difference(differences: Sequence[Difference]) -> Difference:
    """As `mean_score`; the p-value is that of a normal variable whose interval this is."""
    value = sum(difference.value for difference in differences) / len(differences)
    below, above = (_joint([getattr(d, end) - d.value for d in differences]) for end in ("low", "high"))
    towards_zero = below if value > 0 else above
    p = math.erfc(_Z * abs(value) / (towards_zero * math.sqrt(2))) if towards_zero else float(value == 0)
    n = min(difference.n for difference in differences)
    return Difference(value, value - below, value + above, max(p, sys.float_info.min), n)


def _joint(distances: Sequence[float]) -> float:
    """Of the mean, from each value's own."""
    return math.hypot(*distances) / len(distances)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (or of a mean of values in 0..1) over `n` rows; (0, 1) without rows."""
    if n < 1:
        return 0.0, 1.0
    middle, z = share + _Z**2 / (2 * n), _Z / (1 + _Z**2 / n)
    half = z * np.sqrt(max(0.0, share * (1 - share)) / n + (_Z / (2 * n)) ** 2)
    centre = middle / (1 + _Z**2 / n)
    return max(0.0, float(min(centre - half, share))), min(1.0, float(max(centre + half, share)))


def measure(rows: Array, value: Value, seed: int = 0) -> Score:
    """The value of a table of statistics [n, k], one row an answer, with its interval."""
    n = len(rows)
    if not n:
        return Score(0.0, 0.0, 0.0, 0)
    found = float(value(rows.sum(0, keepdims=True))[0])
    if is_right_or_wrong(rows):
        return Score(found, *wilson(found, n), n)
    low, high = np.quantile(_resample([rows], value, seed)[0], [0.025, 0.975])
    if n < FEW or low == high:
        safe = wilson(min(1.0, max(0.0, found)), n)
        low, high = min(low, safe[0]), max(high, safe[1])
    return Score(found, float(min(low, found)), float(max(high, found)), n)


def measure_difference(first: Array, second: Array, value: Value, seed: int = 0) -> Difference:
    """Second minus first, paired by row."""
    n = len(first)
    if not n:
        return Difference(0.0, 0.0, 0.0, 1.0, 0)
    values = [float(value(rows.sum(0, keepdims=True))[0]) for rows in (first, second)]
    gap = values[1] - values[0]
    if is_right_or_wrong(first) and is_right_or_wrong(second):
        low, high = newcombe(first[:, 0], second[:, 0])
        return Difference(gap, low, high, mcnemar(first[:, 0], second[:, 0]), n)
    resampled = _resample([first, second], value, seed)
    gaps = resampled[1] - resampled[0]
    low, high = np.quantile(gaps, [0.025, 0.975])
    if n < FEW or low == high:
        safe = _safe_difference(first, second, values)
        low, high = min(low, safe[0]), max(high, safe[1])
    sided = 1 + min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))  # one more: 1000 draws cannot show p = 0
    p = min(1.0, 2 * sided / (len(gaps) + 1))
    return Difference(gap, float(min(low, gap)), float(max(high, gap)), p, n)


def newcombe(first: Array, second: Array) -> tuple[float, float]:
    """Newcombe's interval of the difference of two paired shares; `first` and `second` hold 0 and 1, [n]."""
    n = len(first)
    p, q = float(second.mean()), float(first.mean())
    both, neither = float((first * second).sum()), float(((1 - first) * (1 - second)).sum())
    only_second, only_first = float(((1 - first) * second).sum()), float((first * (1 - second)).sum())
    spread = (both + only_second) * (only_first + neither) * (both + only_first) * (only_second + neither)
    product = both * neither - only_second * only_first
    if product > 0:
        product = max(0.0, product - n / 2)  # Newcombe's continuity correction
    phi = product / np.sqrt(spread) if spread > 0 else 0.0
    low_p, high_p = wilson(p, n)
    low_q, high_q = wilson(q, n)
    down, up = p - low_p, high_q - q
    below = np.sqrt(max(0.0, down**2 - 2 * phi * down * up + up**2))
    down, up = high_p - p, q - low_q
    above = np.sqrt(max(0.0, down**2 - 2 * phi * down * up + up**2))
    return max(-1.0, float(p - q - below)), min(1.0, float(p - q + above))


def mcnemar(first: Array, second: Array) -> float:
    """Two-sided exact p-value: of the rows that only one got right, how many each."""
    from scipy.stats import binomtest  # half a second: only when two models are compared

    only_second, only_first = int((first < second).sum()), int((first > second).sum())
    apart = only_first + only_second
    p = float(binomtest(only_second, apart, 0.5).pvalue) if apart else 1.0
    return max(p, sys.float_info.min)


def is_right_or_wrong(rows: Array) -> bool:
    """Whether the statistics are those of a share: [0 or 1, 1] a row."""
    return bool(rows.shape[1] == 2 and (rows[:, 1] == 1).all() and np.isin(rows[:, 0], (0.0, 1.0)).all())


def _safe_difference(first: Array, second: Array, values: list[float]) -> tuple[float, float]:
    """Square-and-add of the two Wilson intervals (Newcombe 1998, method 8); where no row differs, a difference that
    as many rows could have missed."""
    n = len(first)
    if np.array_equal(first, second):
        missed = wilson(0.0, n)[1]
        return -missed, missed
    q, p = (min(1.0, max(0.0, value)) for value in values)
    low_p, high_p = wilson(p, n)
    low_q, high_q = wilson(q, n)
    below, above = np.hypot(p - low_p, high_q - q), np.hypot(high_p - p, q - low_q)
    return max(-1.0, float(p - q - below)), min(1.0, float(p - q + above))


def _resample(tables: list[Array], value: Value, seed: int) -> list[Array]:
    """Values of NUM_RESAMPLES resamples; all tables are resampled by the same rows."""
    generator = np.random.default_rng(seed)
    n = len(tables[0])
    values: list[list[Array]] = [[] for _ in tables]
    for start in range(0, NUM_RESAMPLES, _CHUNK):
        size = min(_CHUNK, NUM_RESAMPLES - start)
        counts = generator.multinomial(n, np.full(n, 1.0 / n), size=size).astype(np.float64)
        for slot, table in enumerate(tables):
            values[slot].append(value(counts @ table))
    return [np.concatenate(parts) for parts in values]

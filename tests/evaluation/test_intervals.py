"""Intervals against scipy, published values and simulation; the laws of few rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.evaluation.intervals import (
    FEW,
    Difference,
    Score,
    is_right_or_wrong,
    is_sure,
    mcnemar,
    mean_difference,
    mean_score,
    measure,
    measure_difference,
    newcombe,
    wilson,
)
from core.evaluation.metrics import METRICS, compare, score


@pytest.mark.parametrize(("right", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (7, 20), (199, 200), (50, 1000)])
def test_wilson_agrees_with_scipy(right: int, n: int) -> None:
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_newcombe_agrees_with_the_published_example() -> None:
    """Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on paired
    data, method 10: of 50 rows both are right in 36, only one in 12, only the other in 2."""
    better = np.array([1] * 36 + [1] * 12 + [0] * 2, dtype=float)
    worse = np.array([1] * 36 + [0] * 12 + [1] * 2, dtype=float)
    assert newcombe(worse, better) == pytest.approx((0.0569, 0.3404), abs=5e-4)
    assert newcombe(better, worse) == pytest.approx((-0.3404, -0.0569), abs=5e-4)


def test_bootstrap_interval_agrees_with_scipy() -> None:
    drawn = np.random.default_rng(3).beta(2, 3, size=200)
    rows = np.stack([drawn, np.ones(200)], 1)
    expected = stats.bootstrap((drawn,), np.mean, n_resamples=4000, method="percentile", rng=0).confidence_interval
    found = measure(rows, METRICS.get("rouge_l").value)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)
    assert found == measure(rows, METRICS.get("rouge_l").value)  # seeded


@pytest.mark.parametrize("metric", [m for m in METRICS.names() if m not in ("bleu", "chrf")])
@pytest.mark.parametrize("n", [1, 2, 5, 19, 20, 200])
def test_no_interval_is_a_point(metric: str, n: int) -> None:
    references = ["PER: Ann 1; LOC: Rome 2" if i % 2 else "none 7" for i in range(n)]
    wrong = ["qq"] * n
    for answers, value in ((references, 1.0), (wrong, 0.0)):
        found = score(metric, answers, references)
        assert found.value == value
        assert found.high - found.low > 0.5 / n
        assert 0 <= found.low <= found.value <= found.high <= 1
    for first, second in ((references, references), (wrong, wrong), (wrong, references), (references, wrong)):
        gap = compare(metric, first, second, references)
        assert gap.high - gap.low > 0.5 / n
        assert -1 <= gap.low <= gap.value <= gap.high <= 1
        assert 0 < gap.p <= 1
        assert gap.is_sure == (first is not second and n >= FEW)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("n", [5, 15, 40])
def test_a_share_lies_in_its_interval_nineteen_times_of_twenty(share: float, n: int) -> None:
    draws = np.random.default_rng(1).binomial(n, share, size=4000)
    held = np.mean([low <= share <= high for low, high in (wilson(k / n, n) for k in draws)])
    assert held > 0.91  # Wilson's interval is right on average over shares, a little off at some


@pytest.mark.parametrize("n", [8, 30])
def test_a_difference_that_is_not_there_is_seldom_called_sure(n: int) -> None:
    draw = np.random.default_rng(2)
    calls = 0
    for _ in range(400):
        first, second = (np.stack([draw.integers(0, 2, n), np.ones(n)], 1).astype(float) for _ in range(2))
        calls += measure_difference(first, second, METRICS.get("accuracy").value).is_sure
    assert calls <= (0 if n < FEW else 0.05 * 400)


def test_the_interval_of_a_mean_over_tasks_holds_it() -> None:
    draw, shares, held = np.random.default_rng(5), (0.05, 0.5, 0.9), 0
    for _ in range(600):
        found = mean_score([Score(one, *wilson(one, 40), 40) for one in draw.binomial(40, shares) / 40])
        held += found.low <= np.mean(shares) <= found.high
    assert 0.92 < held / 600 < 0.99


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.5), (-0.3, 0.1), (-0.6, -0.01), (-0.001, 0.4)])
def test_a_mean_is_sure_when_its_interval_leaves_out_zero_and_no_task_has_few_rows(low: float, high: float) -> None:
    one = Difference((low + high) / 2, low, high, 0.5, FEW)
    assert mean_difference([one]).is_sure == (low > 0 or high < 0)
    found = mean_difference([one, one, one, one])
    assert (found.low, found.high) == pytest.approx((one.value - (high - low) / 4, one.value + (high - low) / 4))
    assert not mean_difference([one, Difference(0.9, 0.8, 0.95, 1e-6, FEW - 1)]).is_sure


def test_few_rows_are_never_sure_and_a_corrected_p_counts() -> None:
    assert not is_sure(Difference(0.9, 0.5, 1.0, 1e-4, FEW - 1), 1e-4)
    assert is_sure(Difference(0.9, 0.5, 1.0, 1e-4, FEW), 1e-4)
    assert is_sure(Difference(-0.9, -1.0, -0.5, 1e-4, FEW), 1e-4)
    assert not is_sure(Difference(0.9, 0.5, 1.0, 1e-4, FEW), 0.2)
    assert not is_sure(Difference(0.1, -0.1, 0.3, 0.01, FEW), 0.01)
    assert not is_sure(Difference(0.0, 0.0, 0.0, 1.0, 0), 1.0)


def test_p_is_never_zero_however_many_rows_agree() -> None:
    none, all_right = np.zeros(5000), np.ones(5000)
    assert mcnemar(none, all_right) > 0
    apart = [np.stack([values, np.ones(5000)], 1) for values in (none + 0.1, all_right - 0.1)]
    assert measure_difference(*apart, METRICS.get("rouge_l").value).p > 0


def test_what_counts_as_right_or_wrong() -> None:
    assert is_right_or_wrong(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert not is_right_or_wrong(np.array([[0.5, 1.0]]))
    assert not is_right_or_wrong(np.array([[1.0, 1.0, 1.0]]))
    assert not is_right_or_wrong(np.array([[1.0, 2.0]]))


def test_without_rows_nothing_is_said() -> None:
    assert score("accuracy", [], []).n == 0
    assert wilson(0.0, 0) == (0.0, 1.0)
    assert not compare("accuracy", [], [], []).is_sure

"""Whether training again pays off: told from exams on fewer rows, and only where that can be known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.base.files import write_json_atomic
from core.insight.learning_curve import CURVE, describe_curve, fitted_falls
from core.runs.folder import RunFolder

ROWS = np.array([25.0, 50.0, 100.0])


def test_a_power_law_is_found_again_and_draws_around_it() -> None:
    errors = 2.0 * np.array([ROWS, ROWS * 4]) ** -0.5
    falls = fitted_falls(1 - errors, ROWS, 1000, 100)
    np.testing.assert_allclose(falls[0], 100 * 2.0 * (100**-0.5 - 200**-0.5))
    assert fitted_falls(np.array([[0.5, 0.5, 0.5]]), ROWS, 100, 100)[0] == pytest.approx(0.0)
    assert fitted_falls(np.array([[0.9, 0.8, 0.7]]), ROWS, 100, 100)[0] < 0  # more rows did harm
    assert np.isfinite(fitted_falls(np.array([[0.9, 1.0, 1.0]]), ROWS, 20, 50)).all()
    fallen = np.array([[0.95, 0.5, 0.05], [0.1, 0.9, 0.98]])
    worst, best = fitted_falls(fallen, ROWS, 100, 100)  # no score below 0 or above 100 is foreseen
    assert worst == pytest.approx(-5.0)
    assert 0 < best <= 2.0 + 1e-9


@pytest.mark.parametrize(
    ("scores", "key"),
    [
        ([0.9, 0.7, 0.5], "curve_fell"),
        ([0.6, 0.8, 1.0], "curve_full"),
        ([1.0, 1.0, 1.0], "curve_full"),
        ([0.0, 0.0, 0.0], "curve_same"),
    ],
)
def test_what_fell_is_full_or_did_not_move_is_said_without_numbers(
    tmp_path: Path, scores: list[float], key: str
) -> None:
    path = RunFolder(tmp_path).probe_path(CURVE)
    path.parent.mkdir()
    one = {"task": "mails", "metric": "accuracy", "rows": (25, 50, 100), "scores": scores, "exam_rows": 100}
    write_json_atomic(path, {"tasks": [{**one, "drawn": [scores] * 20}]})
    assert [sentence.key for sentence in describe_curve(tmp_path, "mails", 10)] == [f"says.{key}", "says.curve_how"]


@pytest.mark.parametrize(
    ("rows", "exam", "spread", "more", "keys"),
    [
        ((25, 50, 100), 100, 0.01, 10, ["curve_more", "curve_twice", "curve_how"]),
        ((25, 50, 100), 100, 0.01, 0, ["curve_twice", "curve_how"]),
        ((25, 50, 100), 100, 0.01, 101, ["curve_twice", "curve_too_far", "curve_how"]),
        ((25, 50, 100), 100, 0.3, 10, ["curve_chance", "curve_how"]),
        ((25, 50, 100), 19, 0.01, 10, ["curve_few_exam"]),
        ((2, 5, 10), 100, 0.01, 10, ["curve_few_rows"]),
    ],
)
def test_a_number_is_told_only_where_it_can_be_known(
    tmp_path: Path, rows: tuple[int, ...], exam: int, spread: float, more: int, keys: list[str]
) -> None:
    scores = [0.5, 0.6, 0.7]
    drawn = np.clip(np.array(scores) + spread * np.random.default_rng(0).normal(size=(200, 3)), 0, 1).tolist()
    one = {"task": "mails", "metric": "accuracy", "rows": rows, "scores": scores, "exam_rows": exam, "drawn": drawn}
    path = RunFolder(tmp_path).probe_path(CURVE)
    path.parent.mkdir()
    write_json_atomic(path, {"tasks": [one]})
    said = describe_curve(tmp_path, "mails", more)
    assert [sentence.key.removeprefix("says.") for sentence in said] == keys
    assert [sentence.key for sentence in describe_curve(tmp_path, "calls", more)] == ["says.curve_unknown"]

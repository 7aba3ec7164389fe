"""Certainties are made honest on check rows, and never say more than these rows can show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.base.errors import WorkspaceError
from core.evaluation.certainty import (
    Certainty,
    calibration,
    fit_certainty,
    fit_temperature,
    read_certainties,
    softmax,
)


def drawn(rows: int, heat: float, labels: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are `heat` times too far apart, and the right choices drawn from what the true ones say."""
    random = np.random.default_rng(seed)
    true = random.normal(size=(rows, labels)) * 1.5
    right = np.array([random.choice(labels, p=row) for row in softmax(true)])
    return true * heat, right


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_was_too_sure_or_too_shy(heat: float) -> None:
    values, right = drawn(4000, heat)
    found = fit_certainty(values, right)
    assert found.temperature == pytest.approx(heat, rel=0.15)
    assert found.rows == 4000
    assert found.error < 0.03
    if heat != 1.0:
        assert found.raw_error > found.error
    fresh, truth = drawn(4000, heat, seed=1)
    sure = found.probabilities(fresh)
    assert calibration(sure.max(1), sure.argmax(1) == truth)[0] < 0.04


def test_a_handful_of_right_rows_makes_nothing_certain() -> None:
    values, right = np.array([[2.0, 0.0, 0.0]] * 5), np.zeros(5, dtype=np.int64)
    assert fit_temperature(values, right) == pytest.approx(0.2)  # what the rows alone would say
    found = fit_certainty(values, right)
    assert found.temperature > 0.4
    assert found.probabilities([50.0, 0.0, 0.0]).max() <= 1 - 1 / 7 + 1 / 21


def test_probabilities_sum_to_one_and_keep_the_order() -> None:
    found = Certainty(1.7, 30, 0.1, 0.05).probabilities([[-1.0, -2.0, -900.0], [-5.0, -5.0, -5.0]])
    assert found.sum(-1).tolist() == pytest.approx([1, 1])
    assert found[0, 0] > found[0, 1] > found[0, 2] > 0
    assert found[1].tolist() == pytest.approx([1 / 3] * 3)


def test_the_slack_bounds_what_may_be_left_unread() -> None:
    certainty = Certainty(2.0, 1000, 0, 0)
    values = np.array([-1.0, *[-1.0 - certainty.slack(300)] * 299])
    moved = certainty.probabilities(values)[0] - certainty.probabilities(np.array([-1.0, *[-1e6] * 299]))[0]
    assert abs(moved) < 1.1e-4


def test_calibration_of_nothing_and_of_certain_answers() -> None:
    assert calibration(np.array([]), np.array([], dtype=bool)) == (0.0, ())
    error, bins = calibration(np.array([1.0, 1.0, 0.55, 0.55]), np.array([True, False, True, False]))
    assert error == pytest.approx((2 * 0.5 + 2 * 0.05) / 4)
    assert [n for _, _, n in bins] == [2, 2]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "certainty.json").write_text('{"t-1": {"temperature": "warm"}}', encoding="utf-8")
    with pytest.raises(WorkspaceError) as caught:
        read_certainties(tmp_path / "certainty.json")
    assert "certainty.json" in str(caught.value)

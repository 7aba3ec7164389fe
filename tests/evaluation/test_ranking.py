"""Which rows to ask about next: known orders of each way to combine reasons."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from core.base.errors import SettingError
from core.evaluation.ranking import MAX, MEAN, PARETO, RRF, WAYS, fused_ranks, pareto_fronts, rank_rows

NAN = float("nan")


def test_pareto_fronts_of_known_rows() -> None:
    """Confidences (.1, .9), (.9, .1), (.5, .5), (.6, .6): none is less sure than the first three in both tasks."""
    doubts = 1 - np.array([[0.1, 0.9], [0.9, 0.1], [0.5, 0.5], [0.6, 0.6]])
    assert pareto_fronts(doubts).tolist() == [0, 0, 0, 1]
    assert pareto_fronts(np.array([[0.1], [0.3], [0.2], [0.3]])).tolist() == [2, 0, 1, 0]
    assert rank_rows(doubts, PARETO)[-1] == 3


def test_ranks_are_fused_as_their_source_has_it() -> None:
    doubts = np.array([[0.9, 0.2], [0.5, 0.8], [0.5, 0.1]])
    np.testing.assert_allclose(2 * fused_ranks(doubts), [1 / 61 + 1 / 62, 1 / 62 + 1 / 61, 1 / 62 + 1 / 63])
    assert rank_rows(doubts, RRF) == [0, 1, 2]


def test_the_ways_differ_where_they_should() -> None:
    """One task is lost on row 0, both are unsure of row 1."""
    doubts = np.array([[0.9, 0.0], [0.6, 0.6], [0.1, 0.1]])
    assert rank_rows(doubts, MAX) == [0, 1, 2]
    assert rank_rows(doubts, MEAN) == [1, 0, 2]


@pytest.mark.parametrize("way", WAYS)
def test_a_row_is_judged_by_the_reasons_that_it_has(way: str) -> None:
    doubts = np.array([[NAN, 0.1], [0.9, NAN], [NAN, NAN], [0.2, 0.05]])
    order = rank_rows(doubts, way)
    assert sorted(order) == [0, 1, 2, 3]
    assert order.index(1) < order.index(3)
    assert order[-1] == 2
    assert rank_rows(np.zeros((3, 2)), way) == [0, 1, 2]  # in their order
    assert rank_rows(np.zeros((0, 2)), way) == []


def test_fronts_and_ranks_are_those_of_their_definitions_and_need_no_table_of_all_pairs() -> None:
    worth = np.round(np.random.default_rng(0).random((40, 3)), 1)
    fronts = pareto_fronts(worth)
    for row, front in zip(worth, fronts, strict=True):
        beating = [
            n for other, n in zip(worth, fronts, strict=True) if (other >= row).all() and (other > row).any()
        ]
        assert front == max(beating, default=-1) + 1
    ranks = 1 + (worth[:, None] < worth[None]).sum(1)
    np.testing.assert_allclose(fused_ranks(worth), (1 / (60 + ranks)).mean(1))
    many = np.random.default_rng(0).random((4000, 2))
    tracemalloc.start()
    for way in WAYS:
        assert sorted(rank_rows(many, way)) == list(range(len(many)))
    assert tracemalloc.get_traced_memory()[1] < 4e6  # of all pairs: 16 MB and more
    tracemalloc.stop()


def test_another_way_is_refused() -> None:
    with pytest.raises(SettingError, match="best") as refused:
        rank_rows(np.zeros((1, 1)), "best")
    assert "pareto" in refused.value.hint

"""Curves grow by events only, and a resumed run does not draw its steps twice."""

from __future__ import annotations

from itertools import pairwise

from app.drawing.curves import MOST_KEPT, new_curves


def loss(number: int, step: int, value: float, kind: str = "loss") -> dict:
    return {"id": number, "kind": kind, "step": step, "by_task": {"0": value, "1": None}}


def test_events_are_taken_once_by_task() -> None:
    curves = new_curves("r", ["a", "b"])
    assert curves.take([loss(1, 5, 2.0), loss(2, 5, 2.5, "validation")])
    assert curves.practice == {"a": [(5, 2.0)], "b": []}
    assert curves.checks == {"a": [(5, 2.5)]}
    assert curves.cursor == 2
    assert not curves.take([{"id": 3, "kind": "exam", "done": 1, "total": 2}])
    assert curves.cursor == 3


def test_a_run_resumed_from_a_checkpoint_overwrites_its_later_steps() -> None:
    curves = new_curves("r", ["a", "b"])
    curves.take([loss(1, 5, 3.0), loss(2, 10, 2.0), loss(3, 15, 1.0), loss(4, 10, 2.2)])
    assert curves.practice["a"] == [(5, 3.0), (10, 2.2)]


def test_stage_two_is_marked_where_stage_one_ended() -> None:
    curves = new_curves("r", ["a", "b"])
    began = {"id": 2, "kind": "stage", "stage": 2, "name": "stage2", "first_step": 40}  # as the worker writes it
    curves.take([loss(1, 40, 1.0), began, loss(3, 45, 1.0)])
    assert curves.stage2_start == 40


def test_a_task_the_page_does_not_know_is_left_out() -> None:
    curves = new_curves("r", ["a"])
    assert not curves.take([{"id": 1, "kind": "loss", "step": 1, "by_task": {"7": 1.0}}])


def test_a_run_that_trains_for_days_keeps_a_bounded_curve_of_even_density() -> None:
    curves, every, count = new_curves("r", ["a"]), 5, 40_000
    steps = [every * number for number in range(1, count + 1)]
    for start in range(0, count, 100):  # a tick each
        curves.take([loss(number, steps[number], steps[number] / 2) for number in range(start, start + 100)])
        assert len(curves.practice["a"]) <= MOST_KEPT
    kept = curves.practice["a"]
    assert kept[-1] == (steps[-1], steps[-1] / 2)
    gaps = [b[0] - a[0] for a, b in pairwise(kept)]
    assert len(kept) >= MOST_KEPT // 4
    assert max(gaps) <= 4 * steps[-1] / len(kept)
    assert all(abs(value - step / 2) <= steps[-1] / len(kept) for step, value in kept)  # means of neighbours


def test_a_page_opened_late_holds_no_second_copy_of_the_curve() -> None:
    curves = new_curves("r", ["a"])
    curves.take([loss(number, number, 1.0) for number in range(1, 20_000)])
    assert len(curves.practice["a"]) <= MOST_KEPT
    assert len(curves.news["practice", "a"]) <= MOST_KEPT

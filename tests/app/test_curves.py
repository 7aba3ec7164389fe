"""Curves grow by events only, and a resumed run does not draw its steps twice."""

from __future__ import annotations

from app.curves import new_curves


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

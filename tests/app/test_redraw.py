"""Parts of a screen drawn as one event: each component once, an error stays where it happened."""

from __future__ import annotations

import os

import gradio as gr
import pytest

from app.redraw import Page, Redraw, combine, spread
from app.workbench import TABS, build_workbench
from tests.app.test_workbench import context as context  # the same page

A, B, C = "a", "b", "c"  # stand for components


def test_each_component_comes_once_and_later_parts_win() -> None:
    page = Page((Redraw(lambda a: [1, 2], [A], [A, B]), Redraw(lambda a, c: 3, [A, C], [B])))
    assert (page.inputs, page.outputs) == ([A, C], [A, B])
    assert page.draw("x", "y") == [1, 3]


def test_changes_of_one_component_add_up() -> None:
    both = combine(gr.update(choices=["x"], value="x"), gr.update(visible=False))
    assert (both["choices"], both["value"], both["visible"]) == (["x"], "x", False)
    assert combine(5, gr.skip()) == 5
    assert combine(5, gr.update(visible=True))["value"] == 5
    assert combine(gr.skip(), 7) == 7


def test_an_error_concerns_its_part_only(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda message, **_: said.append(message))

    def broken(_: str) -> None:
        raise gr.Error("damaged")

    page = Page((Redraw(broken, [A], [A]), Redraw(lambda a: "drawn", [A], [B]), Redraw(broken, [A], [C])))
    assert page.draw("x") == [gr.skip(), "drawn", gr.skip()]
    assert said == ["damaged"]
    with pytest.raises(gr.Error):
        Page((Redraw(broken, [A], [A]),)).draw("x")


def test_a_wrong_number_of_values_is_found() -> None:
    assert spread(gr.skip(), 2) == [gr.skip()] * 2
    with pytest.raises(ValueError):
        Page((Redraw(lambda a: [1], [A], [A, B]),)).draw("x")


def test_a_click_costs_one_event_a_screen(context) -> None:
    demo = build_workbench(context)
    events = [f for f in demo.fns.values() if (context.selection._id, "change") in f.targets]
    assert len(events) == len(TABS) + 1


def test_the_queue_keeps_no_statistics() -> None:
    """Gradio would summarise its last 10,000 events after every event."""
    from app.launching import no_statistics

    no_statistics()
    with gr.Blocks() as demo:
        pass
    queue = demo.queue()._queue
    queue.events_recorded = 1_000_000
    assert queue.ANALYTICS_MAX_EVENTS == 1
    assert queue.compute_analytics_summary([{"function": "f", "status": "success", "process_time": 1.0}]) == {
        "functions": {}
    }
    assert os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] == "1"

"""Parts of a screen drawn as one event: each component once, an error stays where it happened."""

from __future__ import annotations

import os

import gradio as gr
import pytest
from gradio.utils import deep_hash

from app.frame.workbench import TABS, build_workbench
from app.shell.context import Context, due_screens
from app.shell.redraw import Page, Redraw, combine, keep_typed, spread
from app.shell.selection import Selection
from core.workspace import Workspace
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


def test_what_is_typed_outlives_a_redraw_that_brings_nothing_new() -> None:
    saved, choices = {"first": "", "second": ""}, ["a"]
    draw = keep_typed(
        lambda run, word: [word, saved[run], gr.update(choices=list(choices), value="a")],
        [A, B, C],
        [B, C],
        subject=lambda run: run,
    )
    *drawn, told = draw("first", "en", None)
    assert drawn == ["en", "", gr.update(choices=["a"], value="a")]
    drawn[2].pop("value")  # as Gradio does when it sends it
    *drawn, told = draw("first", "zh", told)
    assert drawn == ["zh", gr.skip(), gr.skip()]
    choices.append("b")
    *drawn, told = draw("first", "zh", told)
    assert drawn == ["zh", gr.skip(), gr.update(choices=["a", "b"], value="a")]  # what is new, and no more
    *drawn, told = draw("second", "zh", told)
    assert drawn[:2] == ["zh", ""]  # about another run, though it says the same
    saved["second"] = "kept"
    assert draw("second", "zh", told)[:2] == ["zh", "kept"]


def test_a_wrong_number_of_values_is_found() -> None:
    assert spread(gr.skip(), [A, B]) == [gr.skip()] * 2
    with pytest.raises(ValueError):
        Page((Redraw(lambda a: [1], [A], [A, B]),)).draw("x")


def test_a_click_draws_what_stands_everywhere_and_the_open_screen(context) -> None:
    demo = build_workbench(context)
    events = [f for f in demo.fns.values() if (context.selection._id, "change") in f.targets]
    assert len(events) == 2
    (told,) = [f for f in events if (context.open_screen._id, "change") in f.targets]
    assert len(told.outputs) == len(TABS)
    drawn = [f for f in demo.fns.values() if any((due._id, "change") in f.targets for due in told.outputs)]
    assert len(drawn) == len(TABS)


def test_only_the_open_screen_is_due() -> None:
    screens, selection = ["tab.home", "tab.tasks"], Selection()
    assert due_screens(screens, selection, "tab.tasks") == [gr.skip(), selection]
    for unknown in ("", "tab.gone", None, 3):  # the first visit, and what a browser remembered of another version
        assert due_screens(screens, selection, unknown) == [selection, gr.skip()]


def test_what_is_typed_about_tasks_outlives_the_end_of_a_run() -> None:
    screens, selection = ["tab.home", "tab.tasks"], Selection()
    assert due_screens(screens, selection.moved(), "tab.tasks") == due_screens(screens, selection, "tab.tasks")
    assert due_screens(screens, selection.moved(), "tab.home") != due_screens(screens, selection, "tab.home")
    assert due_screens(screens, selection.touched(), "tab.tasks") != due_screens(screens, selection, "tab.tasks")


def test_events_without_progress_leave_nothing_for_the_browser_to_visit(context) -> None:
    """It visits every component that ever showed a progress with each event, and searches the whole page for it."""
    demo = build_workbench(context)
    for event in demo.fns.values():
        if event.show_progress == "hidden":
            assert event.show_progress_on == [], event.name
        elif event.show_progress_on is not None:
            assert len(event.show_progress_on) <= 1, event.name


def test_the_queue_keeps_no_statistics() -> None:
    """Gradio would summarise its last 10,000 events after every event."""
    from app.frame.serve import no_statistics

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


def test_the_file_field_is_not_drawn_anew_while_it_may_upload(context) -> None:
    build_workbench(context)
    owner = "a" * 32
    project = context.workspace.create_project("desk", owner)
    seen = Selection(owner=owner).with_project(project.project_id)
    (part,) = [p for p in context.redraws["tab.tasks"] if any(b.elem_id == "task-files" for b in p.outputs[:-1])]
    place = [getattr(block, "elem_id", None) for block in part.outputs].index("task-files")
    *drawn, told = part.handler(seen, None)
    assert drawn[place]["visible"] is True
    *drawn, told = part.handler(seen.touched(), told)
    assert drawn[place] == gr.skip()
    *drawn, told = part.handler(seen.with_project(""), told)
    assert drawn[place]["visible"] is False


def test_a_jump_fills_the_fields_of_its_screen_once(tmp_path) -> None:
    context = Context(Workspace(tmp_path))
    with gr.Blocks():
        context.selection, context.tabs, context.screen = gr.State(Selection()), gr.Tabs(), "tab.train"
        field = gr.Number()
        context.on_selection(lambda _, selection: {field: 1}, [field])
        context.on_preset(lambda _, selection, values: {field: values["max_tokens"]}, [field])
    page = Page((*context.redraws["tab.train"], *context.presets["tab.train"]))
    taken = next(block for block in page.outputs if block is not field)
    jumped = context.go_to(Selection(), "train", max_tokens=1024)[context.selection]
    other = context.go_to(jumped, "try_it", question="?")[context.selection]
    drawn = dict(zip(page.outputs, page.draw(jumped, 0), strict=True))
    assert (drawn[field], drawn[taken]) == (1024, jumped.preset.number)
    again = context.go_to(jumped, "train", max_tokens=1024)[context.selection]
    for selection, number, shown in (
        (jumped.touched(), drawn[taken], 1),
        (other, 0, 1),
        (again, drawn[taken], 1024),
    ):
        assert page.draw(selection, number)[0] == shown
    held = context.go_to(jumped, "train", changes={"max_tokens": 1024})[context.selection]
    assert deep_hash(held) != deep_hash(jumped)  # Gradio's look at a state, which fails on what cannot be hashed

"""Nobody is taken back to the place where something slow began, and no poll undoes a click."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.frame.serve import launch, parse_arguments
from app.shell.context import Context
from app.shell.selection import Selection
from app.shell.staying import join
from core.workspace import Workspace
from tests.browser.driving import free_port
from tests.visiting import PATIENCE_S, Visitor

THEN = Selection(project_id="p", task_id="t", run_id="r", version=3)
STARTED, MERGED = THEN.with_run("new"), THEN.with_run("merged")
JOINED = [  # chosen meanwhile, given by an event -> (project, task, run) when it began earlier, and when later
    (THEN.with_project("q", "s"), STARTED, ("q", "", "s"), ("q", "", "s")),
    (THEN.with_project("q", "s"), THEN.with_project("packed"), ("q", "", "s"), ("packed", "", "")),
    (THEN.with_project("q", "s"), THEN.touched(), ("q", "", "s"), ("q", "", "s")),
    (THEN.with_task("u"), STARTED, ("p", "u", "new"), ("p", "u", "new")),
    (MERGED, STARTED, ("p", "t", "merged"), ("p", "t", "new")),
    (THEN.moved(), THEN.with_project("packed"), ("packed", "", ""), ("packed", "", "")),
]


@pytest.mark.parametrize(("now", "wanted", "stayed", "went"), JOINED)
def test_what_was_chosen_meanwhile_and_what_an_event_gives_come_together(
    now: Selection, wanted: Selection, stayed: tuple[str, ...], went: tuple[str, ...]
) -> None:
    for now_counts, expected in ((True, stayed), (False, went)):
        found = join(THEN, replace(now, language="zh"), wanted, now_counts)
        assert (found.project_id, found.task_id, found.run_id) == expected
        assert found.language == "zh"
        assert found.version > now.version  # what the event made is read
        assert found.run_moves == now.run_moves


@dataclass
class Desk:
    """A page with something slow, a choice, and a poll; what each of them gives leads on to a screen."""

    context: Context
    begun: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    demo: Any = None

    def begin(self, context: Context, selection: Selection) -> Any:
        self.begun.set()
        self.gate.wait(PATIENCE_S)
        return context.go_to(selection.with_run("new"), "train")

    def poll(self, context: Context, selection: Selection) -> Any:
        self.begun.set()
        self.gate.wait(PATIENCE_S)
        return {context.selection: selection.moved()}

    def build(self) -> gr.Blocks:
        context = self.context
        with gr.Blocks(analytics_enabled=False) as demo:
            context.selection, context.open_screen = gr.State(THEN), gr.State("")
            context.clock = gr.Timer(60)
            with gr.Tabs(selected="tab.tasks") as context.tabs:
                for screen in ("tasks", "train"):
                    gr.Tab(screen, id=f"tab.{screen}")
            moves = [context.selection, context.tabs]
            context.on(gr.Button(elem_id="begin").click, self.begin, [context.selection], moves)
            choose = gr.Button(elem_id="choose").click
            context.on(choose, lambda _, s: s.with_project("q", "s"), [context.selection], context.selection)
            context.on_tick(self.poll, [context.selection], [context.selection, gr.State()])
            context.wire_ticks()
        return demo


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Desk, Visitor]]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    desk, port = Desk(Context(Workspace(tmp_path))), free_port()
    demo = desk.demo = desk.build()
    launch(demo, parse_arguments(["--port", str(port), "--workspace", str(tmp_path)]), prevent_thread_lock=True)
    yield desk, Visitor(f"http://127.0.0.1:{port}")
    desk.gate.set()
    demo.close()


@pytest.mark.parametrize("slow", ["begin", "poll"])
def test_who_moves_on_stays_there(desk: tuple[Desk, Visitor], slow: str) -> None:
    """The slow event begins first and ends last."""
    (work, page), outputs = desk, {}
    (held,) = page.listening(page.ids["begin"], "click") if slow == "begin" else _ticks(page)
    (chosen,) = page.listening(page.ids["choose"], "click")
    pending = {page._join(held["id"], page._inputs(held), None): held["id"]}
    assert work.begun.wait(PATIENCE_S)
    pending[page._join(chosen["id"], page._inputs(chosen), None)] = chosen["id"]

    def take(event: int, output: dict[str, Any]) -> None:
        outputs[event] = output["data"]
        if event == chosen["id"]:
            work.gate.set()

    page._listen(pending, take)
    assert list(outputs) == [chosen["id"], held["id"]]
    (state,) = work.demo.app.state_holder.session_data.values()
    place = state.state_data[work.context.selection._id]
    assert (place.project_id, place.task_id, place.run_id) == ("q", "", "s")
    assert slow == "poll" or outputs[held["id"]][1] == gr.skip()  # nor is another screen opened


def _ticks(page: Visitor) -> list[dict[str, Any]]:
    return [e for e in page.events if any(target[1] == "tick" for target in e["targets"])]

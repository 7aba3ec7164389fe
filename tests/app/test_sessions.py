"""What the server keeps of open pages does not grow with clicks, and closed pages are forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.frame.serve import launch, parse_arguments
from app.shell.sessions import CAPACITY, CLOSED_KEPT, IN_USE, MOST_PAGES, PageState, PageStates
from tests.browser.driving import free_port
from tests.visiting import Visitor


def build() -> gr.Blocks:
    """A click that leaves a component as it is, fills it, and renames it: what handlers of the screens do."""

    def answer(count: int) -> Iterator[Any]:
        yield gr.skip(), gr.skip()
        yield f"answer {count + 1}", count + 1
        yield gr.update(label=f"{count + 1} answers"), gr.skip()
        yield f"answer {count + 1}.", gr.skip()

    with gr.Blocks(analytics_enabled=False) as demo:
        count = gr.State(0)
        shown = gr.Textbox(elem_id="shown")
        gr.Button(elem_id="ask").click(answer, count, [shown, count])
    return demo


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[gr.Blocks, str]]:
    """-> the demo as `python app.py` serves a page, and its address."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    demo, port = build(), free_port()
    words = ["--port", str(port), "--workspace", str(tmp_path)]
    launch(demo, parse_arguments(words), prevent_thread_lock=True)
    yield demo, f"http://127.0.0.1:{port}"
    demo.close()


def test_a_page_keeps_each_component_once_however_often_it_is_clicked(served: tuple[gr.Blocks, str]) -> None:
    """Gradio alone keeps a component and a value more for each update that a plain value follows."""
    demo, address = served
    page = Visitor(address).open()
    for _ in range(5):
        page.fire("ask", "click")
    (state,) = demo.app.state_holder.session_data.values()
    number = page.ids["shown"]
    assert page.values[number] == "answer 5."
    assert set(state.blocks_config.blocks) == set(demo.blocks)
    assert state.blocks_config.blocks[number].label == "5 answers"  # as it was changed for this page
    assert not state.config_values
    assert page.request("GET", f"/gradio_api/deep_link?session_hash={page.session}")[0] == 404  # only it reads them


def test_the_page_is_served_with_a_bound_on_pages(served: tuple[gr.Blocks, str]) -> None:
    states = served[0].app.state_holder
    assert isinstance(states, PageStates)
    assert states.capacity == CAPACITY
    for number in range(MOST_PAGES + 20):
        assert isinstance(states[f"page {number}"], PageState)
    long_ago = datetime.now() - IN_USE
    for number in range(60):
        states.time_last_used[f"page {number}"] = long_ago - timedelta(seconds=60 - number)
    states.delete_all_expired_state()
    assert len(states.session_data) == len(states.time_last_used) == MOST_PAGES
    assert {f"page {number}" for number in range(20)}.isdisjoint(states.session_data)  # the quietest ones
    assert "page 20" in states


def test_pages_in_use_are_not_taken_away_however_many_there_are() -> None:
    states = PageStates()
    states.set_blocks(build())
    for number in range(MOST_PAGES + 5):
        assert isinstance(states[f"page {number}"], PageState)
    states.delete_all_expired_state()
    assert len(states.session_data) == MOST_PAGES + 5


def test_updates_of_one_page_are_not_seen_by_another() -> None:
    """Ids are kept by what an update makes, never written to the components that all pages share."""
    demo = build()
    (event,) = (fn for fn in demo.fns.values() if fn.outputs)
    shown = event.outputs[0]
    one, two = PageState(demo), PageState(demo)
    shown_now = demo.postprocess_data(event, [gr.update(label="mine"), 3], one)
    with ThreadPoolExecutor(1) as other:  # a browser of another test may hold the loop of this thread
        other.submit(asyncio.run, shown_now).result()
    assert one[shown._id].label == "mine"
    assert one[shown._id]._id == shown._id
    assert two[shown._id] is shown
    assert (one[event.outputs[1]._id], two[event.outputs[1]._id]) == (3, 0)


def test_a_closed_page_is_forgotten_at_last_and_an_open_one_is_not() -> None:
    states, demo = PageStates(), build()
    states.set_blocks(demo)
    (count,) = (block for block in demo.blocks.values() if isinstance(block, gr.State))
    states["back again"][count._id] = 7
    states["back again"]._state_ttl[count._id] = (count.time_to_live, datetime.now() - 2 * CLOSED_KEPT)
    for name in ("open", "closed", "just closed", "back again"):
        states[name].is_closed = name != "open"
    long_ago = datetime.now() - CLOSED_KEPT - timedelta(seconds=1)
    for name in ("open", "closed", "back again"):
        states.time_last_used[name] = long_ago
    assert isinstance(states["back again"], PageState)  # its connection was lost, it goes on asking
    states.delete_all_expired_state()
    assert set(states.session_data) == set(states.time_last_used) == {"open", "just closed", "back again"}
    assert states["back again"][count._id] == 7  # set long ago, and still what the page goes by

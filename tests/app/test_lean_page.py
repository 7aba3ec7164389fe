"""A lean page sends what Gradio sends and knows of a page what Gradio knows, with less work."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest
from gradio import blocks as gradio_blocks

from app.shell import lean_page
from app.shell.lean_page import LeanPage, run_here_if_quick, turn_values_here
from app.shell.sessions import PageState

LEFT = gr.skip()
# For a text, HTML, choices, a state, a button and a fold.
OUTCOMES: dict[str, Any] = {
    "nothing": LEFT,
    "nothing, each": [LEFT] * 6,
    "values": ["text", "<b>1</b>", "b", 3, "press", LEFT],
    "labels": [gr.update(label="a"), gr.update(visible=False), gr.update(choices=["c", ("d", 1)]), LEFT, "x", LEFT],
    "label and value": [
        gr.update(label="l", value="v"), gr.update(value="<i>"), gr.update(choices=["c"], value="c"),
        gr.update(value=4), gr.update(interactive=False, value="go"), gr.update(open=True),
    ],
    "emptied": [gr.update(value=None), gr.update(value=None, label=None), gr.update(value=None), LEFT, "", LEFT],
    "its own": [gr.update(lines=3), gr.update(found=[1], value="x"), LEFT, 7, gr.update(variant="stop"), LEFT],
}  # fmt: skip


def build() -> LeanPage:
    with LeanPage(analytics_enabled=False) as demo:
        count = gr.State(0)
        parts = [
            gr.Textbox(label="first"),
            gr.HTML(),
            gr.Dropdown(["a", "b"], allow_custom_value=True),
            count,
            gr.Button("go"),
        ]
        parts.append(gr.Accordion("fold", open=False))
        gr.Button().click(lambda: None, None, parts)
        gr.Button().click(lambda: None, None, parts[0])
        count.change(lambda: None, None, None)
    return demo


def now(coroutine: Any) -> Any:
    """A browser of another test may hold the loop of this thread."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, coroutine).result()


def from_gradio(demo: LeanPage, event: Any, outcome: Any, state: PageState) -> list[Any]:
    """What Gradio sends; of an update it also sends to an HTML component that it is one, as a property of it."""
    sent = now(gr.Blocks.postprocess_data(demo, event, outcome, state))
    for update in sent:
        if isinstance(update, dict) and update.get("props", {}).pop("__type__", None) and not update["props"]:
            del update["props"]
    return sent


def known(state: PageState, outputs: list[Any]) -> list[Any]:
    """What the server goes by in the page's next event."""
    held = [state[block._id] for block in outputs]
    args = [dict(one.constructor_args) if isinstance(one, gr.blocks.Block) else one for one in held]
    return [
        {k: v for k, v in a.items() if k not in ("render", "value")} if isinstance(a, dict) else a for a in args
    ]


def fresh(outcome: Any) -> Any:
    """Gradio takes updates to pieces when it sends them."""
    return [dict(v) if isinstance(v, dict) else v for v in outcome] if isinstance(outcome, list) else dict(outcome)


@pytest.mark.parametrize("second", OUTCOMES)
@pytest.mark.parametrize("first", OUTCOMES)
def test_it_sends_and_remembers_what_gradio_would(first: str, second: str) -> None:
    demo = build()
    event, lean, own = demo.fns[0], PageState(demo), PageState(demo)
    for name in (first, second):
        sent = now(demo.postprocess_data(event, fresh(OUTCOMES[name]), lean))
        assert sent == from_gradio(demo, event, fresh(OUTCOMES[name]), own)
        assert known(lean, event.outputs) == known(own, event.outputs)
    assert demo.get_state_ids_to_track(event, lean) == gr.Blocks.get_state_ids_to_track(demo, event, lean)
    assert demo.get_state_ids_to_track(event, lean)[0] == [event.outputs[3]._id]


def test_a_handler_may_name_what_it_changes_and_a_single_output_is_not_wrapped() -> None:
    demo = build()
    event, one = demo.fns[0], demo.fns[1]
    text, fold = event.outputs[0], event.outputs[5]
    for page, outcome in (
        (event, {text: "t", fold: gr.update(open=True)}),
        (one, "t"),
        (one, gr.update(label="u")),
    ):
        sent = now(
            demo.postprocess_data(page, dict(outcome) if isinstance(outcome, dict) else outcome, PageState(demo))
        )
        assert sent == from_gradio(demo, page, outcome, PageState(demo))


def test_wrong_outcomes_are_gradios_to_word() -> None:
    demo = build()
    with pytest.raises(ValueError, match="didn't return enough output values"):
        now(demo.postprocess_data(demo.fns[0], ["one", "two"], PageState(demo)))


def test_what_stays_is_not_built_and_equal_changes_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_page, "MOST_KEPT", 3)
    demo = build()
    event, pages = demo.fns[1], [PageState(demo) for _ in range(3)]
    (text,) = event.outputs
    for page, label in zip(pages, ("mine", "mine", "other"), strict=True):
        now(demo.postprocess_data(event, gr.update(label=label, value=label), page))
    now(demo.postprocess_data(event, gr.skip(), pages[0]))
    now(demo.postprocess_data(event, gr.update(value="more"), pages[1]))
    assert pages[0][text._id] is pages[1][text._id]
    assert [page[text._id].label for page in pages] == ["mine", "mine", "other"]
    assert {page[text._id]._id for page in pages} == {text._id}
    assert text.label == "first"
    for number in range(9):
        now(demo.postprocess_data(event, gr.update(label=f"number {number}"), pages[0]))
    assert len(demo._changed) == 3


def test_simple_values_are_turned_where_they_are_and_others_in_a_thread() -> None:
    def here(*_: Any) -> int:
        return threading.get_ident()

    async def where(function: Any) -> tuple[int, int]:
        return await run_here_if_quick(function, ""), threading.get_ident()

    with gr.Blocks():
        for component, at_once in ((gr.Textbox(), True), (gr.File(), False)):
            component.postprocess = here.__get__(component)  # type: ignore[method-assign]
            component.postprocess.__func__.__name__ = "postprocess"
            ran, loop = now(where(component.postprocess))
            assert (ran == loop) == at_once
    ran, loop = now(where(here))  # a handler
    assert ran != loop


def test_gradio_asks_anyio_for_threads_only() -> None:
    turn_values_here()
    assert set(re.findall(r"anyio\.([\w.]+)", inspect.getsource(gradio_blocks))) == {"to_thread.run_sync"}
    assert gradio_blocks.anyio.to_thread.run_sync is run_here_if_quick

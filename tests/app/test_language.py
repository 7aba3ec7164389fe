"""Two visitors with two languages at once never mix: in threads, over the yields of generators, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import zip_longest

import gradio as gr
import pytest
from gradio_client import Client

from app.shell.handlers import bind_first, guarded
from app.shell.selection import Selection
from app.texts import say
from app.texts.language import current_language, in_language, speaking, stream_in
from core.base.errors import WorkspaceError
from core.messages.locales import LANGUAGES

KEY = "tab.home"
WORDS = {language: in_language(language, say, KEY) for language in LANGUAGES}


def said(selection: Selection) -> str:
    return say(KEY)


def told(selection: Selection) -> Iterator[str]:
    for _ in range(3):
        yield say(KEY)


def test_a_language_ends_where_it_began() -> None:
    assert current_language() == "en"
    with speaking("zh"):
        assert (current_language(), in_language("en", say, KEY), say(KEY)) == ("zh", WORDS["en"], WORDS["zh"])
    with pytest.raises(WorkspaceError), speaking("zh"):
        raise WorkspaceError("visitor.unknown")
    assert current_language() == "en"


def test_a_handler_speaks_its_visitors_language_and_leaves_nothing_behind() -> None:
    for language in LANGUAGES:
        assert guarded(said)(Selection(language=language)) == WORDS[language]
        assert current_language() == "en"


def test_generators_that_take_turns_keep_their_languages() -> None:
    """Two streams in one thread, step by step, as a queue with one worker would take them."""
    streams = [guarded(told)(Selection(language=language)) for language in LANGUAGES]
    assert list(zip_longest(*streams)) == [tuple(WORDS[language] for language in LANGUAGES)] * 3
    assert current_language() == "en"


def test_a_generator_keeps_its_language_when_each_step_is_in_another_context() -> None:
    stream = guarded(told)(Selection(language="zh"))
    with ThreadPoolExecutor(1) as pool:
        steps = [pool.submit(copy_context().run, next, stream).result() for _ in range(3)]
        assert pool.submit(current_language).result() == "en"
    assert steps == [WORDS["zh"]] * 3


def test_a_generator_that_is_dropped_cleans_up_in_its_language() -> None:
    heard = []

    def handler(selection: Selection) -> Iterator[str]:
        try:
            yield say(KEY)
        finally:
            heard.append(say(KEY))

    stream = guarded(handler)(Selection(language="zh"))
    next(stream)
    stream.close()
    assert heard == [WORDS["zh"]]
    assert list(stream_in("zh", iter([]))) == []


def test_many_threads_at_once_never_mix() -> None:
    together = threading.Barrier(8)

    def visit(language: str) -> set[str]:
        together.wait()
        found = {guarded(said)(Selection(language=language)) for _ in range(200)}
        for _ in range(50):
            found |= set(guarded(told)(Selection(language=language)))
        return found

    asked = list(LANGUAGES) * 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(visit, asked)) == [{WORDS[language]} for language in asked]


def test_visitors_of_one_page_never_mix() -> None:
    """Real calls of Gradio: plain and streaming handlers of visitors with two languages, at the same time."""
    meeting = threading.Barrier(4)

    def choose(_: None, language: str) -> tuple[Selection, str]:
        return Selection(language=language), language

    def answer(_: None, selection: Selection) -> str:
        meeting.wait(30)  # all four are inside their handlers
        return say(KEY)

    def stream(_: None, selection: Selection) -> Iterator[str]:
        text = ""
        for _ in range(5):
            meeting.wait(30)
            text += say(KEY) + "\n"
            yield text

    with gr.Blocks() as page:
        place, asked, shown = gr.State(Selection()), gr.Textbox(), gr.Textbox()
        free = {"concurrency_limit": None}
        gr.Button().click(guarded(bind_first(choose, None)), asked, [place, shown], api_name="choose", **free)
        gr.Button().click(guarded(bind_first(answer, None)), place, shown, api_name="answer", **free)
        gr.Button().click(guarded(bind_first(stream, None)), place, shown, api_name="stream", **free)
    _, address, _ = page.queue().launch(prevent_thread_lock=True, quiet=True)

    def visit(language: str) -> tuple[str, str]:
        client = Client(address, verbose=False)
        client.predict(language, api_name="/choose")
        one = client.predict(api_name="/answer")
        return one, client.predict(api_name="/stream")

    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(visit, list(LANGUAGES) * 2))
    finally:
        page.close()
    assert found == [(WORDS[language], (WORDS[language] + "\n") * 5) for language in list(LANGUAGES) * 2]

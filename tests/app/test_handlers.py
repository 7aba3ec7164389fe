"""Errors reach the user in words of the user's language; unexpected ones reach the log."""

from __future__ import annotations

import inspect
import logging

import gradio as gr
import pytest

from app.shell.handlers import bind_first, guarded
from app.shell.selection import Selection
from core.base.errors import WorkspaceError

CHINESE = Selection(language="zh")


def missing(selection: Selection) -> None:
    raise WorkspaceError("workspace.no_project", name="<b>x</b>", known="y")


def test_our_errors_are_said_in_the_users_language_and_escaped() -> None:
    with pytest.raises(gr.Error) as english:
        guarded(missing)(Selection())
    with pytest.raises(gr.Error) as chinese:
        guarded(missing)(CHINESE)
    assert "There is no project" in english.value.message
    assert "Known projects" in english.value.message
    assert "<b>" not in english.value.message
    assert "项目" in chinese.value.message
    assert chinese.value.title != english.value.title


def test_unexpected_errors_hide_their_text_and_leave_an_id_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def broken(selection: Selection) -> None:
        raise KeyError("secret /home/user/token")

    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as shown:
        guarded(broken)(CHINESE)
    assert "secret" not in shown.value.message
    incident = caplog.records[-1].args[0]  # type: ignore[index]
    assert str(incident) in shown.value.message
    assert caplog.records[-1].exc_info


def test_streams_are_translated_too() -> None:
    def stream(selection: Selection):
        yield 1
        missing(selection)

    events = guarded(stream)(CHINESE)
    assert next(events) == 1
    with pytest.raises(gr.Error, match="项目"):
        next(events)


def test_polling_never_disturbs_the_page() -> None:
    assert guarded(missing, quiet=True)(Selection()) == gr.skip()


def test_a_message_made_for_the_user_passes_unchanged() -> None:
    def told(selection: Selection) -> None:
        raise gr.Error("told")

    with pytest.raises(gr.Error, match="told"):
        guarded(told)(Selection())


def test_gradio_sees_the_arguments_without_the_context() -> None:
    def handler(context: str, selection: Selection, event: gr.EventData) -> tuple[str, Selection]:
        return context, selection

    bound = bind_first(handler, "context")
    assert list(inspect.signature(bound).parameters) == ["selection", "event"]
    assert bound.__annotations__["event"] is gr.EventData
    assert bound(CHINESE, None) == ("context", CHINESE)

    def stream(context: str, selection: Selection):
        yield context

    assert inspect.isgeneratorfunction(bind_first(stream, "context"))
    assert inspect.isgeneratorfunction(guarded(bind_first(stream, "context")))

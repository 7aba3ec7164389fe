"""Where errors become messages: ours in the user's language, unexpected ones neutral with an id for the log."""

from __future__ import annotations

import functools
import html
import inspect
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from app.shell.acting import acting_for, stream_for
from app.shell.selection import Selection
from app.texts import say, word_error
from app.texts.language import current_language, speaking, stream_in
from core.base.errors import TaskloomError

LOG = logging.getLogger("taskloom.app")


def translate_error(error: Exception, hide: str = "") -> gr.Error:
    """A toast for any exception: what happened and what to do, or an id under which the log has the details.

    `hide` is a path of this machine that visitors of a shared page need not know.
    """
    if isinstance(error, gr.Error):
        error.print_exception = False  # worded for the person already: no news for the log
        return error
    if isinstance(error, TaskloomError):
        message, hint = word_error(error.key, error.values)
        text = html.escape(message) + (f"<br>{html.escape(hint)}" if hint else "")
        text = text.replace(hide, "…") if hide else text
        return gr.Error(text, title=say("error.title"), duration=15, print_exception=False)
    incident = secrets.token_hex(4)
    LOG.error("incident %s", incident, exc_info=error)
    text = say("error.unexpected", incident=incident)
    return gr.Error(text, title=say("error.title"), duration=15, print_exception=False)


def allow_all(args: tuple[Any, ...]) -> None:
    """The check of a handler that reads nobody's data."""


def guarded(
    handler: Callable[..., Any],
    quiet: bool = False,
    check: Callable[[tuple[Any, ...]], None] = allow_all,
    hide: str = "",
) -> Callable[..., Any]:
    """The handler behind a check of its arguments, in the visitor's language, its errors translated. A quiet one
    (polling) leaves the screen as it is. `hide`: see `translate_error`."""
    if inspect.isgeneratorfunction(handler):
        return _guarded_stream(handler, check, hide)

    @functools.wraps(handler)
    def run(*args: Any, **kwargs: Any) -> Any:
        with speaking(language_in(args)), _translated(hide, quiet):
            check(args)
            with acting_for(owner_in(args)):
                return handler(*args, **kwargs)
        return gr.skip()  # a quiet one failed

    return run


@contextmanager
def _translated(hide: str, quiet: bool = False) -> Iterator[None]:
    """The one translator of the app: what no handler foresaw reaches the visitor in words too. Quiet: the log alone
    hears of it."""
    try:
        yield
    except Exception as error:
        if not quiet:
            raise translate_error(error, hide) from error
        if not isinstance(error, TaskloomError):
            LOG.warning("polling failed", exc_info=error)


def _guarded_stream(
    handler: Callable[..., Iterator[Any]], check: Callable[[tuple[Any, ...]], None], hide: str
) -> Callable[..., Iterator[Any]]:
    def worded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
        with _translated(hide):
            check(args)
            yield from stream_for(owner_in(args), handler(*args, **kwargs))

    @functools.wraps(handler)
    def run(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from stream_in(language_in(args), worded(args, kwargs))

    return run


def language_in(args: tuple[Any, ...]) -> str:
    """The language of the Selection among a handler's arguments; without one, of whoever called it."""
    return next((arg.language for arg in args if isinstance(arg, Selection)), current_language())


def owner_in(args: tuple[Any, ...]) -> str:
    """The owner of the Selection among a handler's arguments; "" without one."""
    return next((arg.owner for arg in args if isinstance(arg, Selection)), "")


def bind_first(handler: Callable[..., Any], first: Any) -> Callable[..., Any]:
    """The handler with its first argument fixed; signature and hints of the rest stay readable for Gradio."""
    signature = inspect.signature(handler, eval_str=True)
    rest = [p for p in list(signature.parameters.values())[1:] if p.kind is not p.KEYWORD_ONLY]
    if inspect.isgeneratorfunction(handler):

        def bound(*args: Any) -> Any:
            yield from handler(first, *args)
    else:

        def bound(*args: Any) -> Any:
            return handler(first, *args)

    bound.__name__ = getattr(handler, "__name__", "handler")
    bound.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
    bound.__annotations__ = {p.name: p.annotation for p in rest}
    return bound

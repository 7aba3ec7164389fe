"""The language of the request at hand, set once where it begins: in the wrapper of every handler.

A context variable, since a page has many visitors and each thread that answers one has a context of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from core.messages.locales import LANGUAGES

T = TypeVar("T")
_LANGUAGE: ContextVar[str] = ContextVar("language", default=LANGUAGES[0])


def current_language() -> str:
    """English where nobody has said another one."""
    return _LANGUAGE.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Everything said inside is said in this language."""
    before = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(before)


def in_language(language: str, call: Callable[..., T], /, *args: Any, **values: Any) -> T:
    """The outcome of a call that speaks this language: `in_language("zh", say, "tab.home")`."""
    with speaking(language):
        return call(*args, **values)


def stream_in(language: str, stream: Iterator[T]) -> Iterator[T]:
    """A generator that speaks this language in each of its steps. Gradio takes every step in another thread with
    another context, so the language is set around each and taken back: none is left behind in a thread."""
    nothing = object()
    try:
        while (found := in_language(language, next, stream, nothing)) is not nothing:
            yield found  # type: ignore[misc]
    finally:
        if close := getattr(stream, "close", None):
            in_language(language, close)

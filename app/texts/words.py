"""Words that follow the language: a component is made with text keys, and told its texts again on a switch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.texts import say
from app.texts.language import speaking
from core.messages.locales import LANGUAGES


class Key(str):
    """A key of `app/texts` standing where a text goes: `words(gr.Button, Key("train.start"))`."""


class Words:
    """Makes components whose labels, values, choices and hints are `Key`s, and words them for a language."""

    def __init__(self) -> None:
        self._made: list[tuple[gr.blocks.Block, Callable[[], dict[str, Any]]]] = []

    def __call__(self, component_class: Any, value: Any = None, /, **settings: Any) -> Any:
        """Builds a component in the reference language and remembers how to say it in the others."""
        if value is not None:
            settings["label" if component_class is gr.Tab else "value"] = value
        keyed = {name: given for name, given in settings.items() if _has_keys(given)}
        with speaking(LANGUAGES[0]):
            component = component_class(**{**settings, **_worded(keyed)})
        self.follow(component, partial(_worded, keyed))
        return component

    def follow(self, component: Any, wording: Callable[[], dict[str, Any]]) -> None:
        """A component made elsewhere: `wording()` gives its texts."""
        self._made.append((component, wording))

    @property
    def components(self) -> list[Any]:
        return [component for component, _ in self._made]

    def updates(self, language: str) -> list[Any]:
        """One update a component, in the order of `components`."""
        with speaking(language):
            return [gr.update(**wording()) for _, wording in self._made]


def _has_keys(given: Any) -> bool:
    if isinstance(given, list):
        return any(isinstance(choice, tuple) and isinstance(choice[0], Key) for choice in given)
    return isinstance(given, Key)


def _worded(keyed: dict[str, Any]) -> dict[str, Any]:
    return {name: _word(given) for name, given in keyed.items()}


def _word(given: Any) -> Any:
    if isinstance(given, list):
        return [(say(text) if isinstance(text, Key) else text, value) for text, value in given]
    return say(given)

"""Redrawing after the selection changed: all parts of a screen in one event.

An event costs the server a queue entry, a thread and a hash of all states, about 5 ms, whatever its handler does;
with an event a part a click cost 24 of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import gradio as gr

Shown = dict[Any, Any]  # what a handler gives: component -> value; a component left out stays as it is


@dataclass(frozen=True)
class Redraw:
    """A part of a screen: `handler(*values of inputs)` gives what goes to `outputs`. An error concerns only it."""

    handler: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]


@dataclass(frozen=True)
class Page:
    """The parts of one screen as a single event with each component once."""

    parts: tuple[Redraw, ...]

    @property
    def inputs(self) -> list[Any]:
        return _each_once(component for part in self.parts for component in part.inputs)

    @property
    def outputs(self) -> list[Any]:
        return _each_once(component for part in self.parts for component in part.outputs)

    def draw(self, *values: Any) -> Any:
        """-> one value an output; a part that fails leaves its outputs as they are and is reported at the end."""
        given = {id(component): value for component, value in zip(self.inputs, values, strict=True)}
        found: dict[int, Any] = {id(component): gr.skip() for component in self.outputs}
        errors: list[gr.Error] = []
        for part in self.parts:
            try:
                outcome = part.handler(*(given[id(component)] for component in part.inputs))
            except gr.Error as error:
                errors.append(error)
                continue
            for component, value in zip(part.outputs, spread(outcome, part.outputs), strict=True):
                found[id(component)] = combine(found[id(component)], value)
        _report(errors, len(self.parts))
        drawn = [found[id(component)] for component in self.outputs]
        return drawn if len(drawn) > 1 else drawn[0]


def keep_typed(
    handler: Callable[..., Any], outputs: list[Any], kept: list[Any], subject: Callable[[Any], Any]
) -> Callable[..., Any]:
    """The handler, leaving each component of `kept` alone while it would draw what it drew into it before: what a
    person is typing outlives a redraw that brings nothing new about the same subject.

    `subject(selection)`: what the fields are about; about another one they are drawn even when the values are the
    same. The new handler takes what was told last as one more value and gives it back as one more output.
    """
    places = [number for number, component in enumerate(outputs) if any(component is one for one in kept)]

    def draw(selection: Any, *values: Any) -> list[Any]:
        *given, told = values
        drawn = list(spread(handler(selection, *given), outputs))
        about = subject(selection)
        telling = [copy(drawn[place]) for place in places]  # Gradio takes updates to pieces when it sends them
        before = told[1] if told and told[0] == about else [None] * len(places)
        for place, value, known in zip(places, telling, before, strict=True):
            if value == known:
                drawn[place] = gr.skip()
        return [*drawn, (about, telling)]

    return draw


def spread(outcome: Any, outputs: Sequence[Any]) -> Sequence[Any]:
    """A handler's outcome as one value an output: gr.skip() for all, or for those that a `Shown` leaves out.

    Raises:
        ValueError: it shows something in a component that is none of the outputs.
    """
    if outcome == gr.skip():
        return [outcome] * len(outputs)
    if isinstance(outcome, dict) and not _is_update(outcome) and not any(isinstance(key, str) for key in outcome):
        if unknown := outcome.keys() - set(outputs):
            raise ValueError(f"no output: {unknown}")
        return [outcome.get(component, gr.skip()) for component in outputs]
    return [outcome] if len(outputs) == 1 else outcome


def unless_seen(shown: Shown, mark: Any, seen: Any) -> Shown:
    """What a poll sends: nothing while the component `mark` would hold what it held when it was drawn."""
    return gr.skip() if shown[mark] == seen else shown


def combine(first: Any, second: Any) -> Any:
    """Two parts may change one component: the later value wins, changes of different properties add up."""
    if second == gr.skip():
        return first
    if _is_update(first) and _is_update(second):
        return {**first, **second}
    if _is_update(second) and first != gr.skip():
        return {"value": first, **second}
    return second


def _report(errors: list[gr.Error], parts: int) -> None:
    """One message for all errors; when nothing could be drawn, as an error."""
    if errors and len(errors) == parts:
        raise errors[0]
    for message in dict.fromkeys(str(error.message) for error in errors):
        gr.Warning(message, title=errors[0].title, duration=errors[0].duration)


def _is_update(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update"


def _each_once(components: Any) -> list[Any]:
    return list({id(component): component for component in components}.values())

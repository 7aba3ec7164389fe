"""What is made while its maker may go elsewhere: a task out of dropped rows, a merged run.

Whoever waits is led to what was made. Whoever has opened another project meanwhile stays there and finds it, with
all that was said about it, when the project is opened again; whoever has chosen another task or run keeps that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.outcomes import Outcomes
from app.shell.redraw import Shown
from app.shell.selection import Selection
from core.base.errors import RunError


@dataclass(frozen=True)
class Making:
    """`handler(context, selection, *values)` makes something and gives a `Shown` in which it may be chosen, or the
    selection in which it is.
    `lasting`: those of its outputs that are about the project, whichever task or run is chosen. `leads_on`: a
    further step follows, for what was chosen at the click and nothing else."""

    handler: Callable[..., Any]
    lasting: tuple[Any, ...] = ()
    leads_on: bool = False

    def ask(self, context: Context, selection: Selection, outcomes: Outcomes, *values: Any) -> Any:
        """Makes it, and draws nothing: an event knows the selection of its beginning only."""
        made = self.handler(context, selection, *values)
        if isinstance(made, Selection):
            made = {context.selection: made}
        shown = {} if made == gr.skip() else made
        outcomes.keep((selection.project_id, self), (selection, shown))
        outcomes.keep(selection.project_id, {**(outcomes.of(selection.project_id) or {}), **shown})
        return gr.skip()

    def ask_of_event(
        self, context: Context, selection: Selection, outcomes: Outcomes, event: gr.EventData, *values: Any
    ) -> Any:
        """As `ask`, for a handler whose last argument is the click: Gradio gives it where it is announced."""
        return self.ask(context, selection, outcomes, *values, event)

    def draw(self, context: Context, selection: Selection, outcomes: Outcomes) -> Any:
        """What was made, for what is chosen now.

        Raises:
            RunError: a step was to follow for something that is chosen no more.
        """
        then, shown = outcomes.take((selection.project_id, self)) or (None, {})
        if self.leads_on and (then is None or then.run_id != selection.run_id):
            raise RunError("run.moved_on")
        if not shown:
            return gr.skip()
        wanted = shown.get(context.selection)
        if (selection.task_id, selection.run_id) == (then.task_id, then.run_id):
            return shown if wanted is None else {**shown, context.selection: _led(then, selection, wanted)}
        kept = {component: value for component, value in shown.items() if component in self.lasting}
        return {**kept, context.selection: selection.touched()} if wanted else kept or gr.skip()


def _led(then: Selection, now: Selection, wanted: Selection) -> Selection:
    """`wanted`, with what has moved by itself since `then` (the language, runs that ended)."""
    return wanted if now == then else replace(now, task_id=wanted.task_id, run_id=wanted.run_id).touched()


def wire_making(
    context: Context,
    trigger: Any,
    making: Making,
    wired: tuple[list[Any], list[Any]],
    outcomes: Any = None,
    **how: Any,
) -> Any:
    """`wired`: inputs after the selection, and outputs. `outcomes`: the State of Outcomes which all share that say
    something in one place. -> the event that has drawn."""
    inputs, outputs = wired
    outcomes = gr.State(Outcomes()) if outcomes is None else outcomes
    known = [context.selection, outcomes]
    has_event = "event" in inspect.signature(making.handler).parameters
    ask = making.ask_of_event if has_event else making.ask
    asked = context.on(trigger, ask, [*known, *inputs], outputs, **{"show_progress": "full", **how})
    return context.on(asked.success, making.draw, known, outputs, show_progress="hidden")


def told_again(outcomes: Outcomes, selection: Selection, blank: Sequence[tuple[Any, Any]]) -> Shown:
    """What was said last in the open project, for these components; `blank` is (component, its value before)."""
    said = outcomes.of(selection.project_id) or {}
    return {component: said.get(component, value) for component, value in blank}

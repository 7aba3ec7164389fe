"""What came of a slow question belongs to the choice it was asked for: a run chosen meanwhile never shows it.

An event knows the selection of its beginning only. So a slow one shows nothing itself: it keeps its outcome under
its choice, and a second event draws what there is for the choice of then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.selection import Selection

MOST = 8  # outcomes of a panel, of one page


@dataclass
class Outcomes:
    """Of one panel of one page: lives in its session (gr.State) and is changed in place, since the choice moves
    while a question is under way. `shown`: the choice that the panel shows now, for those that say how far they
    are."""

    shown: Any = None
    made: dict[Any, Any] = field(default_factory=dict)

    def keep(self, choice: Any, outcome: Any) -> None:
        """The newest of a choice, of the latest choices."""
        self.made.pop(choice, None)
        self.made[choice] = outcome
        for old in list(self.made)[:-MOST]:
            del self.made[old]

    def of(self, choice: Any) -> Any:
        return self.made.get(choice)

    def take(self, choice: Any) -> Any:
        """Shown once, and forgotten."""
        return self.made.pop(choice, None)


def run_and_results(context: Context, selection: Selection) -> Any:
    """What most outcomes are about: the run with its results, in a language."""
    return context.results_seen(selection)


def as_it_is(outcome: Any) -> Any:
    return outcome


def file_view(path: str | None) -> Any:
    """A file to download; nothing when there is none, or when it has been cleaned up since."""
    is_there = bool(path) and Path(str(path)).is_file()
    return gr.update(value=path if is_there else None, visible=is_there)


@dataclass(frozen=True)
class Slow:
    """A question that takes seconds. `handler(context, selection, *values)` gives the outcome, `show(outcome)` what
    is drawn of it. `about(context, selection, *first values)` is its choice; `fields` are those first inputs.
    `once`: it is forgotten when it was drawn."""

    handler: Callable[..., Any]
    about: Callable[..., Any] = run_and_results
    show: Callable[[Any], Any] = as_it_is
    fields: tuple[Any, ...] = ()
    once: bool = False

    def ask(self, context: Context, selection: Selection, outcomes: Outcomes, *values: Any) -> Any:
        """Keeps the outcome under the choice of the click, and draws nothing."""
        choice = self.about(context, selection, *values[: len(self.fields)])
        outcomes.keep(choice, self.handler(context, selection, *values))
        return gr.skip()

    def draw(self, context: Context, selection: Selection, outcomes: Outcomes, *fields: Any) -> Any:
        """What there is for the choice of now; what stands there stays where there is nothing."""
        choice = self.about(context, selection, *fields)
        found = outcomes.take(choice) if self.once else outcomes.of(choice)
        return gr.skip() if found is None else self.show(found)


def draw_after(context: Context, asked: Any, handler: Callable[..., Any], inputs: list[Any], outputs: Any) -> Any:
    """Draws when an event has ended, well or not. On the page of this Gradio `then` comes after one that went well
    or was cancelled, but not after an error. -> both events."""
    ends = (asked.then, asked.failure)
    return [context.on(end, handler, inputs, outputs, show_progress="hidden") for end in ends]


def wire_slow(context: Context, trigger: Any, slow: Slow, inputs: list[Any], outputs: Any, **how: Any) -> Any:
    """Asks on `trigger`, and draws into `outputs`. -> the State of the Outcomes, for the panel's own redraw; or the
    one that is given as `outcomes`, where several buttons fill one place."""
    given = how.pop("outcomes", None)
    outcomes = gr.State(Outcomes()) if given is None else given
    known = [context.selection, outcomes, *slow.fields]
    asked = context.on(trigger, slow.ask, [*known, *inputs], outputs, **{"show_progress": "full", **how})
    context.on(asked.success, slow.draw, known, outputs, show_progress="hidden")
    return outcomes

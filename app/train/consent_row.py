"""Asked before a run is started once more on another engine: what leaves this machine, and what that costs."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import gradio as gr

from app.drawing.markup import note
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts.words import Key
from app.train.run_actions import act, terms_of_act
from core.base.errors import TaskloomError

Wish = tuple[str, str]  # what was asked for, of which run
NOBODY: Wish = ("", "")


class ConsentRow:
    """The terms and two buttons; nothing is shown for what starts on this machine, or starts nothing."""

    def __init__(self, context: Context) -> None:
        words = context.words
        with gr.Column(visible=False, elem_id="run-consent") as self.box:
            self.told = gr.HTML()
            with gr.Row():
                given = {"variant": "primary", "elem_id": "run-consent-yes"}
                self.yes = words(gr.Button, Key("run.consent_yes"), **given)
                self.no = words(gr.Button, Key("run.consent_no"), elem_id="run-consent-no")
        self.wish = gr.State(NOBODY)

    def wire(self, context: Context, buttons: dict[str, Any]) -> None:
        """`buttons` by the name of their act."""
        selection, parts = context.selection, [self.box, self.told, self.wish]
        for name, button in buttons.items():
            context.on(button.click, partial(self.press, name=name), [selection], [selection, *parts])
        context.on(self.yes.click, self.grant, [selection, self.wish], [selection, *parts])
        context.on(self.no.click, lambda _: self._hidden(), [], parts, show_progress="hidden")
        context.on_selection(self.draw, parts, [self.wish])

    def press(self, context: Context, selection: Selection, *, name: str) -> Shown:
        """Does it, or asks first."""
        if terms := terms_of_act(context, selection, name):
            return self._asking(terms, (name, selection.run_id))
        return {context.selection: act(context, selection, name=name), **self._hidden()}

    def grant(self, context: Context, selection: Selection, wish: Wish) -> Shown:
        """The person agrees, to what was asked of this run."""
        after = act(context, selection, name=wish[0]) if wish[1] == selection.run_id else selection.touched()
        return {context.selection: after, **self._hidden()}

    def draw(self, context: Context, selection: Selection, wish: Wish) -> Shown:
        """The question goes with its run, and with what it was about; a switch of language words it anew."""
        terms = ""
        if wish[0] and wish[1] == selection.run_id:
            with suppress(TaskloomError):  # its engine is gone: the button says so when it is pressed again
                terms = terms_of_act(context, selection, wish[0])
        return self._asking(terms, wish) if terms else self._hidden()

    def _asking(self, terms: str, wish: Wish) -> Shown:
        return {self.box: gr.update(visible=True), self.told: note(terms), self.wish: wish}

    def _hidden(self) -> Shown:
        return {self.box: gr.update(visible=False), self.told: "", self.wish: NOBODY}

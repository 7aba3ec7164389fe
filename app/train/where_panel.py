"""Where the next run is started: this machine, or another engine of the workspace. Nothing is shown while there is
only this machine."""

from __future__ import annotations

import gradio as gr

from app.drawing.durations import word_seconds
from app.drawing.markup import note
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_problem, word_whole
from app.texts.words import Key
from core.base.errors import TaskloomError
from core.runs.engine_terms import engine_terms
from core.runs.launchers import LOCAL
from core.runs.where import Engine, list_engines


class WherePanel:
    """`choice` holds the engine's name."""

    def __init__(self, context: Context) -> None:
        given = {"choices": [LOCAL], "value": LOCAL, "visible": False, "elem_id": "plan-where", "interactive": True}
        self.choice = context.words(gr.Dropdown, label=Key("plan.where"), **given)
        self.told = gr.HTML(elem_id="plan-where-told")
        selection = context.selection
        context.on_selection(self.draw, [self.choice, self.told], [self.choice])
        given, shown = [selection, self.choice], [selection, self.told]
        context.on(self.choice.input, self.tell, given, shown, show_progress="hidden")

    def draw(self, context: Context, selection: Selection, chosen: str) -> Shown:
        """The engines as engines.yaml names them now; a file that cannot be read is named."""
        try:
            engines = list_engines(context.workspace.root, selection.owner)
        except TaskloomError as error:
            told = "" if context.shared else note(word_problem(error))
            return {self.choice: gr.update(visible=False, value=LOCAL), self.told: told}
        names = [engine.name for engine in engines]
        value = chosen if chosen in names else LOCAL
        choices = [(say("plan.where_here") if name == LOCAL else name, name) for name in names]
        return {
            self.choice: gr.update(choices=choices, value=value, visible=len(engines) > 1),
            self.told: _tell(next(engine for engine in engines if engine.name == value)),
        }

    def tell(self, context: Context, selection: Selection, chosen: str) -> Shown:
        """What the chosen engine knows beforehand; the Ready card no longer judges by this machine."""
        engines = list_engines(context.workspace.root, selection.owner)
        found = next((engine for engine in engines if engine.name == chosen), engines[0])
        return {context.selection: selection.with_engine(found.name), self.told: _tell(found)}


def _tell(engine: Engine) -> str:
    """That the rows go there, and what it costs; nothing of this machine."""
    said = [word_whole(one.key, one.values) for one in engine_terms(engine, word_seconds)]
    return note(" ".join(said)) if said else ""

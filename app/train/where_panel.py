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
from core.runs.where import Engine, find_engine, list_engines


class WherePanel:
    """`choice` holds the engine's name."""

    def __init__(self, context: Context) -> None:
        given = {"choices": [LOCAL], "value": LOCAL, "visible": False, "elem_id": "plan-where", "interactive": True}
        self.choice = context.words(gr.Dropdown, label=Key("plan.where"), **given)
        self.told = gr.HTML(elem_id="plan-where-told")
        selection = context.selection
        context.on_selection(self.draw, [self.choice, self.told])
        given, shown = [selection, self.choice], [selection, self.told]
        context.on(self.choice.input, self.tell, given, shown, show_progress="hidden")

    def draw(self, context: Context, selection: Selection) -> Shown:
        """The engines as engines.yaml names them now. A chosen one that is not found stays chosen, as Start and the
        Ready card have it: nothing starts elsewhere because a file was being written."""
        chosen, root, owner = selection.engine or LOCAL, context.workspace.root, selection.owner
        try:
            names = [engine.name for engine in list_engines(root, owner)]
            told = _tell(find_engine(root, chosen, owner))
        except TaskloomError as error:
            names = [LOCAL]
            told = "" if context.shared and chosen == LOCAL else note(word_problem(error))
        offered = list(dict.fromkeys([*names, chosen]))
        choices = [(say("plan.where_here") if name == LOCAL else name, name) for name in offered]
        shown = gr.update(choices=choices, value=chosen, visible=len(offered) > 1)
        return {self.choice: shown, self.told: told}

    def tell(self, context: Context, selection: Selection, chosen: str) -> Shown:
        """What the chosen engine knows beforehand; the Ready card no longer judges by this machine. Where it cannot
        be found, what was chosen before is drawn again."""
        try:
            found = find_engine(context.workspace.root, chosen, selection.owner)
        except TaskloomError as error:
            return {context.selection: selection.touched(), self.told: note(word_problem(error))}
        return {context.selection: selection.with_engine(found.name), self.told: _tell(found)}


def _tell(engine: Engine) -> str:
    """That the rows go there, and what it costs; nothing of this machine."""
    said = [word_whole(one.key, one.values) for one in engine_terms(engine, word_seconds)]
    return note(" ".join(said)) if said else ""

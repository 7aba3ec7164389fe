"""Who resembles whom: by the use of common skills, or by what the skills add to the weights."""

from __future__ import annotations

import gradio as gr
import pandas as pd

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import note, part
from app.drawing.skill_figures import similarity_tree
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation, find_contributions, word_all
from app.texts import say
from app.texts.words import Key
from core.insight.allocation import task_similarity, task_tree
from core.insight.contribution_table import describe_similarity

ALLOCATION, WEIGHTS = "allocation", "weight_deltas"


class SimilarityPanel:
    """Similarity of tasks with its tree."""

    def __init__(self, context: Context) -> None:
        self.said = gr.HTML()
        kinds = [(Key(f"skills.near_{kind}"), kind) for kind in (ALLOCATION, WEIGHTS)]
        given = {"label": Key("skills.near_by"), "choices": kinds, "value": ALLOCATION}
        self.kind = context.words(gr.Radio, **given, elem_id="skills-near")
        self.plot = plot("skills-similarity")
        shown, quiet = [self.said, self.plot], {"show_progress": "hidden", "trigger_mode": "always_last"}
        context.on_selection(self.draw, shown, [self.kind])
        context.on(self.kind.input, self.draw, [context.selection, self.kind], shown, **quiet)

    def draw(self, context: Context, selection: Selection, kind: str) -> Shown:
        allocation = find_allocation(context, selection)
        if allocation is None or len(allocation.tasks) < 2:
            return {self.said: "", self.plot: ""}
        head = part(say("skills.near_title")) + note(say(f"skills.near_note_{kind}"))
        if kind == WEIGHTS:
            found = find_contributions(context, selection)
            similarity = found.similarity if found else None
        else:
            similarity = task_similarity(allocation)
        if similarity is None:
            return {self.said: head + note(say("skills.near_missing")), self.plot: ""}
        return {self.said: head + _told(similarity, kind), self.plot: _drawn(similarity, kind)}


def _told(similarity: pd.DataFrame, kind: str) -> str:
    key = "says.near_weights" if kind == WEIGHTS else "says.near_allocation"
    return word_all(describe_similarity(similarity, key))


def _drawn(similarity: pd.DataFrame, kind: str) -> str:
    tree = task_tree(similarity) if len(similarity) > 2 else None
    figure = similarity_tree(similarity, tree)
    return to_json(with_csv(figure, f"similarity-{kind}", similarity, say("word.task")))

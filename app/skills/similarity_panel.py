"""Who resembles whom: by the use of common skills, by what the skills add to the weights, or by how the tasks pull
the common skills before anything is learned."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import note, paragraphs, part
from app.drawing.skill_figures import similarity_tree
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import (
    find_allocation,
    find_contributions,
    find_evidence,
    has_check_rows,
    why_unmeasured,
    word_all,
)
from app.skills.view_panel import find_view
from app.texts import say
from app.texts.words import Key
from core.adapters.skill import COMMON
from core.insight.allocation import FEWEST_TASKS, task_similarity, task_tree
from core.insight.contribution_table import describe_similarity
from core.insight.evidence import Evidence
from core.insight.pull import Pull, describe_pull
from core.insight.sentences import describe_likeness
from core.insight.task_groups import view_square, whole

ALLOCATION, WEIGHTS, PULL = "allocation", "weight_deltas", "pull"


class SimilarityPanel:
    """Similarity of tasks with its tree. `view`: the fields that say which tasks are shown (`ViewPanel`)."""

    def __init__(self, context: Context, view: list[Any]) -> None:
        self.said = gr.HTML()
        kinds = [(Key(f"skills.near_{kind}"), kind) for kind in (ALLOCATION, WEIGHTS, PULL)]
        given = {"label": Key("skills.near_by"), "choices": kinds, "value": ALLOCATION}
        self.kind = context.words(gr.Radio, **given, elem_id="skills-near")
        self.plot = plot("skills-similarity")
        shown, quiet = [self.said, self.plot], {"show_progress": "hidden", "trigger_mode": "always_last"}
        fields = [self.kind, *view]
        context.on_selection(self.draw, shown, fields)
        for trigger in (self.kind.input, *(field.change for field in view)):
            context.on(trigger, self.draw, [context.selection, *fields], shown, **quiet)

    def draw(
        self, context: Context, selection: Selection, kind: str, group: str | None, search: str | None
    ) -> Shown:
        """Correlation of the rows, or cosine of what is added to the weights or of the first gradients."""
        allocation = find_allocation(context, selection)
        if allocation is None or len(allocation.tasks) < 2:
            return {self.said: "", self.plot: ""}
        if kind == PULL:
            return self._draw_pull(context, selection, group, search)
        head = part(say("skills.near_title")) + note(say(f"skills.near_note_{kind}"))
        similarity: pd.DataFrame | None = None
        if kind == ALLOCATION and len(allocation.tasks) < FEWEST_TASKS:
            return {self.said: head + note(say("skills.near_two")), self.plot: ""}
        if kind == WEIGHTS:
            found = find_contributions(context, selection)
            similarity = found.similarity if found else None
        elif allocation.is_lone:
            return {self.said: head + word_all(describe_likeness(allocation)), self.plot: ""}
        elif allocation.columns(COMMON):
            similarity = task_similarity(allocation, centred=True)
        if similarity is None:
            return {self.said: head + note(say("skills.near_missing")), self.plot: ""}
        told = (
            describe_similarity(similarity, "says.near_weights")
            if kind == WEIGHTS
            else describe_likeness(allocation)
        )
        shown = view_square(similarity, find_view(context, selection, group, search))
        return {self.said: head + word_all(told), self.plot: _drawn(shown, kind)}

    def _draw_pull(self, context: Context, selection: Selection, group: str | None, search: str | None) -> Shown:
        """The map that the opening sentences are from, with its level of chance."""
        evidence = find_evidence(context, selection)
        found = evidence.pull if evidence else None
        title = part(say("skills.near_title"))
        if found is None:
            return {self.said: title + note(say(self._why_missing(context, selection, evidence))), self.plot: ""}
        none = "skills.pull_none" if found.can_tell else "skills.pull_few"
        told = word_all(describe_pull(found)) or paragraphs([say(none)])
        shown = view_square(found.cosine, find_view(context, selection, group, search))
        return {self.said: title + note(_note_of(found)) + told, self.plot: _drawn(shown, PULL)}

    @staticmethod
    def _why_missing(context: Context, selection: Selection, evidence: Evidence | None) -> str:
        why = why_unmeasured(context, selection)
        if why not in ("skills.evidence_missing", "skills.evidence_no_rows"):
            return why
        was_asked = evidence is not None and evidence.asked_pull
        return "skills.pull_missing" if was_asked or not has_check_rows(context, selection) else "skills.pull_old"


def _note_of(found: Pull) -> str:
    values = {"rows": found.rows, "chance": f"{found.chance:.2f}", "limit": f"{found.limit:.2f}"}
    return say("skills.near_note_pull", **values)


def _drawn(similarity: pd.DataFrame, kind: str) -> str:
    if len(similarity) < 2:
        return ""
    tree = task_tree(whole(similarity)) if len(similarity) > 2 else None
    figure = similarity_tree(similarity, tree)
    return to_json(with_csv(figure, f"similarity-{kind}", similarity, say("word.task")))

"""The first thing on the Skills screen: what the skills do, as measured, in a few sentences and two pictures.

Sentences and pictures are drawn from one table. Weights, which say what a task mixes and not what it needs, stand
below.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.figures import change_heatmap, similarity_heatmap, to_json, with_csv
from app.drawing.markup import note, paragraphs, part
from app.drawing.skill_figures import change_strip, clickable
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_evidence, why_unmeasured
from app.skills.view_panel import find_view
from app.texts import say, word_sentence, word_skills
from core.adapters.skill import COMMON, PRIVATE
from core.insight.advice import describe_advice
from core.insight.evidence import Evidence, borrowed_similarity, skill_effects
from core.insight.evidence_words import describe_evidence
from core.insight.skill_notes import describe_skill_notes
from core.insight.task_groups import View, view_rows, view_square

FEWEST_FOR_PAIRS = 3


class EvidencePanel:
    """`view`: the fields that say which tasks are shown (`ViewPanel`)."""

    def __init__(self, context: Context, view: list[Any]) -> None:
        self.said = gr.HTML(elem_id="skills-evidence-says")
        with gr.Row():
            with gr.Column(min_width=340):
                self.effects_title, self.effects = gr.HTML(), plot("skills-evidence")
            with gr.Column(min_width=340):
                self.pairs_title, self.pairs = gr.HTML(), plot("skills-borrowed")
        pictures = [self.effects_title, self.effects, self.pairs_title, self.pairs]
        context.on_selection(self.draw, self.said)
        context.on_selection(self.draw_pictures, pictures, view)
        for field in view:
            asked = [context.selection, *view]
            context.on(field.change, self.draw_pictures, asked, pictures, show_progress="hidden")

    def draw(self, context: Context, selection: Selection) -> str:
        """Sentences, and what they propose."""
        found = find_evidence(context, selection)
        run_dir = context.run_dir(selection)
        if run_dir is None:
            return ""
        notes = [word_sentence(s.key, s.values) for s in describe_skill_notes(run_dir)]
        if found is None:
            return paragraphs(notes) + note(say(why_unmeasured(context, selection)))
        sentences = [*describe_evidence(found), *describe_advice(found)]
        told = [*(word_sentence(s.key, s.values) for s in sentences), *notes]
        told.append(say("skills.evidence_how", rows=int(found.rows.max())))
        return part(say("skills.evidence_title")) + paragraphs(told)

    def draw_pictures(self, context: Context, selection: Selection, group: str | None, search: str | None) -> Shown:
        """What each task loses without each skill, and who resembles whom."""
        found = find_evidence(context, selection)
        view = find_view(context, selection, group, search)
        if found is None or not view:
            return {self.effects_title: "", self.effects: "", self.pairs_title: "", self.pairs: ""}
        effects = _effects(found, view)
        head = part(say("skills.effects_title")) + note(say("skills.effects_how")) if effects else ""
        return {self.effects_title: head, self.effects: effects, **self._pairs(found, view)}

    def _pairs(self, found: Evidence, view: View) -> Shown:
        if len(found.tasks) < FEWEST_FOR_PAIRS or len(view) < 2:
            return {self.pairs_title: "", self.pairs: ""}
        table = view_square(borrowed_similarity(found), view)
        title = part(say("skills.borrowed_title")) + note(say("skills.borrowed_how"))
        picture = with_csv(similarity_heatmap(table, signed=False), "borrowed", table, say("word.task"))
        rows = {name: f"row:{name}" for name in table.columns}
        return {self.pairs_title: title, self.pairs: to_json(clickable(picture, rows))}


def _effects(found: Evidence, view: View) -> str:
    """Skill by skill, and behind a line, with colours of their own, all common and the tasks' own at once."""
    table = view_rows(skill_effects(found), view).dropna(axis=1, how="all")
    if table.empty:
        return ""
    totals = [kind for kind in (COMMON, PRIVATE) if kind in table.columns]
    names = {COMMON: say("skills.all_common"), PRIVATE: say("skills.own_skills")}
    single = table.drop(columns=totals)
    figure = change_strip(change_heatmap(single), table[totals].rename(columns=names))
    shown = {word_skills(str(name)): str(name) for name in single.columns}
    shown |= {names[kind]: kind for kind in totals}
    return to_json(clickable(with_csv(figure, "evidence", table, say("word.task")), shown))

"""The first thing on the Skills screen: what the skills do, as measured, in two or three sentences and a picture.

Sentences and picture are drawn from one table. Weights, which say what a task mixes and not what it needs, stand
below.
"""

from __future__ import annotations

import gradio as gr

from app.drawing.figures import change_heatmap, similarity_heatmap, to_json, with_csv
from app.drawing.markup import note, paragraphs, part
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_sentence
from core.insight.allocation import COMMON, PRIVATE
from core.insight.evidence import Evidence, borrowed_similarity, describe_evidence, read_evidence, skill_effects

FEWEST_FOR_PAIRS = 3


class EvidencePanel:
    def __init__(self, context: Context) -> None:
        self.said = gr.HTML(elem_id="skills-evidence-says")
        with gr.Row():
            with gr.Column(min_width=340):
                self.effects = plot("skills-evidence")
            with gr.Column(min_width=340):
                self.pairs_title, self.pairs = gr.HTML(), plot("skills-borrowed")
        context.on_selection(self.draw, [self.said, self.effects, self.pairs_title, self.pairs])

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Sentences, what each task loses without each skill, and who resembles whom."""
        run_dir = context.run_dir(selection)
        found = None if run_dir is None else read_evidence(run_dir)
        if found is None:
            missing = "" if run_dir is None else note(say("skills.evidence_missing"))
            return {self.said: missing, self.effects: "", self.pairs_title: "", self.pairs: ""}
        told = [word_sentence(s.key, s.values) for s in describe_evidence(found)]
        told.append(say("skills.evidence_how", rows=int(found.rows.max())))
        head = part(say("skills.evidence_title")) + paragraphs(told)
        return {self.said: head, self.effects: _effects(found), **self._pairs(found)}

    def _pairs(self, found: Evidence) -> Shown:
        if len(found.tasks) < FEWEST_FOR_PAIRS:
            return {self.pairs_title: "", self.pairs: ""}
        table = borrowed_similarity(found)
        title = part(say("skills.borrowed_title")) + paragraphs([say("skills.borrowed_how")])
        picture = with_csv(similarity_heatmap(table), "borrowed", table, say("word.task"))
        return {self.pairs_title: title, self.pairs: to_json(picture)}


def _effects(found: Evidence) -> str:
    table = skill_effects(found).dropna(axis=1, how="all")
    if table.empty:
        return ""
    names = {COMMON: say("skills.all_common"), PRIVATE: say("skills.own_skills")}
    return to_json(with_csv(change_heatmap(table.rename(columns=names)), "evidence", table, say("word.task")))

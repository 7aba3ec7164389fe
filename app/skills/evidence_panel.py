"""The first thing on the Skills screen: what the skills do, as measured, in two or three sentences and a picture.

Sentences and picture are drawn from one table. Weights, which say what a task mixes and not what it needs, stand
below.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.figures import change_heatmap, similarity_heatmap, to_json, with_csv
from app.drawing.markup import note, paragraphs, part
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say, word_sentence
from core.insight.allocation import COMMON, PRIVATE
from core.insight.evidence import Evidence, borrowed_similarity, describe_evidence, read_evidence, skill_effects

FEWEST_FOR_PAIRS = 3


def build_evidence(context: Context) -> None:
    said = gr.HTML(elem_id="skills-evidence-says")
    with gr.Row():
        with gr.Column(min_width=340):
            effects = plot("skills-evidence")
        with gr.Column(min_width=340):
            pairs_title, pairs = gr.HTML(), plot("skills-borrowed")
    context.on_selection(draw_evidence, [said, effects, pairs_title, pairs])


def draw_evidence(context: Context, selection: Selection) -> list[Any]:
    """-> sentences, what each task loses without each skill, heading and picture of who resembles whom."""
    run_dir = context.run_dir(selection)
    found = None if run_dir is None else read_evidence(run_dir)
    if found is None:
        return ["" if run_dir is None else note(say("skills.evidence_missing")), "", "", ""]
    told = [word_sentence(s.key, s.values) for s in describe_evidence(found)]
    head = part(say("skills.evidence_title")) + paragraphs(
        [*told, say("skills.evidence_how", rows=int(found.rows.max()))]
    )
    return [head, _effects(found), *_pairs(found)]


def _effects(found: Evidence) -> str:
    table = skill_effects(found).dropna(axis=1, how="all")
    if table.empty:
        return ""
    names = {COMMON: say("skills.all_common"), PRIVATE: say("skills.own_skills")}
    return to_json(with_csv(change_heatmap(table.rename(columns=names)), "evidence", table, say("word.task")))


def _pairs(found: Evidence) -> list[str]:
    if len(found.tasks) < FEWEST_FOR_PAIRS:
        return ["", ""]
    table = borrowed_similarity(found)
    title = part(say("skills.borrowed_title")) + paragraphs([say("skills.borrowed_how")])
    return [title, to_json(with_csv(similarity_heatmap(table), "borrowed", table, say("word.task")))]

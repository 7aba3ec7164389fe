"""How much of what a task adds comes from the common skills, as measured; without, a button to measure it."""

from __future__ import annotations

import gradio as gr

from app.drawing.figures import share_bars, to_json, with_csv
from app.drawing.markup import note, part
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation, find_contributions, word_all
from app.texts import say
from core.insight.allocation import cluster_order, task_similarity
from core.insight.contribution_table import describe_share, output_share


class ContributionPanel:
    def __init__(self, context: Context) -> None:
        self.said, self.bars = gr.HTML(elem_id="skills-share-says"), plot("skills-share")
        self.measure = JobPanel(context, JobSpec("measure", measure_words, run_place), [], "skills.measure")
        context.on_selection(self.draw, [self.said, self.bars, self.measure.start])

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Nothing for a run without both kinds of skills."""
        allocation = find_allocation(context, selection)
        found = find_contributions(context, selection)
        both = allocation is not None and {s.kind for s in allocation.skills} == {"common", "private"}
        if allocation is None or not both:
            return {self.said: "", self.bars: "", self.measure.start: gr.update(visible=False)}
        head = part(say("skills.share_title"))
        share = output_share(found) if found else None
        if share is None:
            missing = head + note(say("skills.share_missing"))
            return {self.said: missing, self.bars: "", self.measure.start: gr.update(visible=True)}
        share = share.loc[cluster_order(task_similarity(allocation, centred=True))]
        return {
            self.said: head + note(say("skills.share_note")) + word_all(describe_share(share)),
            self.bars: to_json(with_csv(share_bars(share), "common-private", share, say("word.task"))),
            self.measure.start: gr.update(visible=False),
        }


def measure_words(context: Context, selection: Selection) -> list[str]:
    return ["skills", context.trained_run(selection).name, "--measure"]  # type: ignore[union-attr]

"""How much of what a task adds comes from the common skills, as measured; without, a button to measure it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.figures import share_bars, to_json, with_csv
from app.drawing.markup import note, part
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import (
    find_allocation,
    find_contributions,
    find_evidence,
    has_check_rows,
    has_ended,
    why_unmeasured,
    word_all,
)
from app.skills.view_panel import find_view
from app.texts import say
from core.insight.contribution_table import describe_share, output_share
from core.insight.task_groups import view_rows


class ContributionPanel:
    """`view`: the fields that say which tasks are shown (`ViewPanel`)."""

    def __init__(self, context: Context, view: list[Any]) -> None:
        self.said, self.bars = gr.HTML(elem_id="skills-share-says"), plot("skills-share")
        self.measure = JobPanel(context, JobSpec("measure", measure_words, run_place), [], "skills.measure")
        shown = [self.said, self.bars, self.measure.start]
        context.on_selection(self.draw, shown, view)
        for field in view:
            context.on(field.change, self.draw, [context.selection, *view], shown, show_progress="hidden")

    def draw(self, context: Context, selection: Selection, group: str | None, search: str | None) -> Shown:
        """Nothing but the button for a run without both kinds of skills."""
        allocation = find_allocation(context, selection)
        found = find_contributions(context, selection)
        both = allocation is not None and {s.kind for s in allocation.skills} == {"common", "private"}
        if allocation is None or not both:
            lacks = allocation is not None and lacks_evidence(context, selection)
            return {self.said: "", self.bars: "", self.measure.start: gr.update(visible=lacks)}
        head = part(say("skills.share_title"))
        share = output_share(found) if found else None
        if share is None:
            is_over = has_ended(context, selection) and context.trained_run(selection) is not None
            missing = head + note(say("skills.share_missing" if is_over else why_unmeasured(context, selection)))
            return {self.said: missing, self.bars: "", self.measure.start: gr.update(visible=is_over)}
        told = head + note(say("skills.share_note")) + word_all(describe_share(share))
        rows = view_rows(share, find_view(context, selection, group, search))
        return {
            self.said: told,
            self.bars: to_json(with_csv(share_bars(rows), "common-private", rows, say("word.task"))),
            self.measure.start: gr.update(visible=lacks_evidence(context, selection)),
        }


def lacks_evidence(context: Context, selection: Selection) -> bool:
    """Whether measuring would add something to a run that has ended: what the skills do, row by row, and who pulls
    them alike."""
    can_measure = has_ended(context, selection) and context.trained_run(selection) is not None
    if not can_measure or not has_check_rows(context, selection):
        return False
    found = find_evidence(context, selection)
    return found is None or not found.row_changes or not found.asked_pull


def measure_words(context: Context, selection: Selection) -> list[str]:
    return ["skills", context.trained_run(selection).name, "--measure"]  # type: ignore[union-attr]

"""What moves while a run is at work: losses by task, measures of the whole run, and who uses which skill."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.curve_figures import loss_panels, measure_panels
from app.drawing.curves import MEASURES, Curves
from app.drawing.figures import skill_heatmap, to_json
from app.drawing.live_plot import news_json
from app.drawing.markup import note, part
from app.texts import say
from core.base.errors import TaskloomError
from core.insight.allocation import average_allocation, read_allocation, uniform_weight
from core.runs.folder import RunFolder

MOST_CELLS = 300  # a larger table is for the Skills screen


def whole_curves(curves: Curves, last_step: int) -> list[Any]:
    """-> heading, losses by task, heading, measures: the figures as they are; nothing before the first point."""
    if not any(curves.practice.values()) and not any(curves.checks.values()):
        return ["", "", "", ""]
    about = part(say("train.loss_title")) + note(say("train.loss_note"))
    measures = part(say("train.measures_title")) + note(say("train.measures_note"))
    figures = (loss_panels(curves, last_step), measure_panels(curves, last_step))
    for figure in figures:
        figure["layout"]["meta"]["number"] = curves.number
    return [about, to_json(figures[0]), measures, to_json(figures[1])]


def grown_curves(curves: Curves) -> list[Any]:
    """As `whole_curves`, for a page that has the figures: only the points of the last `take`."""
    losses = [(kind, name) for name in curves.practice for kind in ("practice", "checks")]
    measures = [("measures", name) for name in MEASURES]
    return [gr.skip(), news_json(curves, losses), gr.skip(), news_json(curves, measures)]


def live_skills(folder: RunFolder) -> list[str]:
    """-> heading with the step, heatmap of the newest allocation; nothing for a method without one."""
    try:
        allocation = read_allocation(folder.path)
    except (TaskloomError, OSError):  # none yet, or a method that has none
        return ["", ""]
    if len(allocation.skills) < 2 or len(allocation.tasks) * len(allocation.skills) > MOST_CELLS:
        return ["", ""]
    heading = part(say("train.skills_title")) + note(say("train.skills_note", step=allocation.step or 0))
    table = average_allocation(allocation).round(4)
    return [heading, to_json(skill_heatmap(table, uniform_weight(allocation)))]


def skills_stamp(folder: RunFolder) -> int:
    """Changes when the worker has written a new allocation."""
    try:
        return folder.allocation_path.stat().st_mtime_ns
    except OSError:
        return 0

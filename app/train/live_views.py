"""What moves while a run is at work: losses by task, measures of the whole run, and who uses which skill."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.curve_figures import loss_panels, measure_panels
from app.drawing.curves import MEASURES, Curves
from app.drawing.figures import skill_heatmap, to_json
from app.drawing.layer_words import technical_name, word_layer
from app.drawing.live_plot import live_plot, news_json
from app.drawing.markup import note, part
from app.drawing.widgets import plot
from app.shell.redraw import Shown
from app.texts import say
from core.adapters.skill import COMMON
from core.base.errors import TaskloomError
from core.insight.allocation import Allocation, layer_table, read_allocation, telling_layer, uniform_weight
from core.runs.folder import RunFolder

MOST_CELLS = 300  # a larger table is for the Skills screen


class LiveViews:
    """Headings and figures; a figure of losses or measures takes the whole or only what is new."""

    def __init__(self) -> None:
        self.losses_head, self.losses = gr.HTML(), live_plot("loss-plot")
        self.measures_head, self.measures = gr.HTML(), live_plot("measure-plot")
        self.skills_head, self.skills = gr.HTML(), plot("live-skills")

    @property
    def all(self) -> list[Any]:
        return [self.losses_head, self.losses, self.measures_head, self.measures, self.skills_head, self.skills]

    def whole(self, curves: Curves, last_step: int) -> Shown:
        """Losses by task and measures, the figures as they are; nothing before the first point."""
        if not any(curves.practice.values()) and not any(curves.checks.values()):
            return dict.fromkeys(self.all[:4], "")
        figures = (loss_panels(curves, last_step), measure_panels(curves, last_step))
        for figure in figures:
            figure["layout"]["meta"]["number"] = curves.number
        return {
            self.losses_head: part(say("train.loss_title")) + note(say("train.loss_note")),
            self.losses: to_json(figures[0]),
            self.measures_head: part(say("train.measures_title")) + note(say("train.measures_note")),
            self.measures: to_json(figures[1]),
        }

    def grown(self, curves: Curves) -> Shown:
        """As `whole`, for a page that has the figures: only the points of the last `take`."""
        losses = [(kind, name) for name in curves.practice for kind in ("practice", "checks")]
        measures = [("measures", name) for name in MEASURES]
        return {self.losses: news_json(curves, losses), self.measures: news_json(curves, measures)}

    def skills_of(self, folder: RunFolder) -> Shown:
        """The newest allocation with its step; nothing for a method without one."""
        allocation = _small_allocation(folder)
        if allocation is None or allocation.is_lone:
            return {self.skills_head: "", self.skills: ""}
        layer = telling_layer(allocation)
        table = layer_table(allocation, layer).round(4)
        # Weights of private skills are one and zero by construction: a block of them says nothing.
        table = table.iloc[:, allocation.columns(COMMON) or list(range(len(allocation.skills)))]
        told = _tell_map(allocation, allocation.layers[layer])
        return {
            self.skills_head: part(say("train.skills_title")) + told,
            self.skills: to_json(skill_heatmap(table, uniform_weight(allocation))),
        }


def _tell_map(allocation: Allocation, layer: str) -> str:
    """When and where the weights were taken."""
    step = allocation.step or 0
    if len(allocation.layers) == 1:
        return note(say("train.skills_note_all", step=step))
    named = word_layer(layer, allocation.layers)
    return note(say("train.skills_note", step=step, layer=named)) + technical_name(layer)


def _small_allocation(folder: RunFolder) -> Allocation | None:
    """The newest allocation; None for none yet, a method that has none, or one for the Skills screen."""
    try:
        allocation = read_allocation(folder.path)
    except (TaskloomError, OSError):
        return None
    if len(allocation.skills) < 2 or len(allocation.tasks) * len(allocation.skills) > MOST_CELLS:
        return None
    return allocation


def skills_stamp(folder: RunFolder) -> int:
    """Changes when the worker has written a new allocation."""
    try:
        return folder.allocation_path.stat().st_mtime_ns
    except OSError:
        return 0

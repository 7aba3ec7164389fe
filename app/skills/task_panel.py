"""One task over all layers: which skills it uses where, and how large their parts are."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import note, part
from app.drawing.skill_figures import layers_heatmap, part_bars
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation, find_contributions
from app.texts import say
from core.adapters.skill import COMMON
from core.insight.allocation import Allocation, uniform_weight
from core.insight.allocation_cuts import task_by_layer
from core.insight.contribution_table import layer_share


class TaskPanel:
    """`task`: the field with the chosen task."""

    def __init__(self, context: Context, task: Any) -> None:
        self.head = gr.HTML()
        self.layers, self.said, self.parts = plot("skills-layers"), gr.HTML(), plot("skills-parts")
        shown, quiet = [self.head, self.layers, self.said, self.parts], {"show_progress": "hidden"}
        context.on_selection(self.draw, shown, [task])
        context.on(task.change, self.draw, [context.selection, task], shown, trigger_mode="always_last", **quiet)

    def draw(self, context: Context, selection: Selection, task: str | None) -> Shown:
        allocation = find_allocation(context, selection)
        if allocation is None or task not in allocation.tasks or not _tells(allocation):
            return {self.head: "", self.layers: "", self.said: "", self.parts: ""}
        profile = task_by_layer(allocation, str(task))
        common = [skill.name for skill in allocation.skills if skill.kind == COMMON]
        profile = profile[[name for name in profile.columns if name in common] or list(profile.columns)]
        figure = layers_heatmap(profile, uniform_weight(allocation))
        told = say("skills.layers_note_kept") if allocation.is_lone else word_profile(profile, bool(common))
        found = find_contributions(context, selection)
        parts = layer_share(found, str(task)) if found and task in found.tasks else None
        drawn = with_csv(part_bars(parts), f"parts-{task}", parts, "layer") if parts is not None else None
        said = part(say("skills.parts_title")) + note(say("skills.parts_note")) if drawn is not None else ""
        return {
            self.head: part(say("skills.layers_title", task=task)) + note(told),
            self.layers: to_json(with_csv(figure, f"layers-{task}", profile, "layer")),
            self.said: said,
            self.parts: to_json(drawn),
        }


def _tells(allocation: Allocation) -> bool:
    """One adapter for all has something to show where its layers differ."""
    return not allocation.is_lone or bool(np.ptp(allocation.weights) > 0)


def word_profile(profile: pd.DataFrame, has_common: bool) -> str:
    """What the picture's numbers are: weights of a mixture, or whether a layer carries an adapter."""
    if has_common:
        return say("skills.layers_note")
    is_switch = profile.shape[1] == 1 and bool(profile.isin([0.0, 1.0]).all(axis=None))
    return say("skills.layers_note_switched") if is_switch else say("skills.layers_note_own")

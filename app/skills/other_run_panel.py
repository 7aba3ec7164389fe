"""How another run did it: which tasks choose their skills more alike there, and which less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from app.drawing.figures import lean_heatmap, to_json, with_csv
from app.drawing.markup import note, part
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation, word_all
from app.texts import say
from app.texts.words import Key
from core.insight.allocation_cuts import difference_of_runs
from core.insight.likeness import sure_pairs
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.summaries import list_summaries

MOVED = 0.1  # a change of a correlation below this is called none


class OtherRunPanel:
    def __init__(self, context: Context) -> None:
        given = {"label": Key("skills.other"), "info": Key("skills.other_help"), "choices": [], "value": None}
        self.other = context.words(gr.Dropdown, **given, elem_id="skills-other")
        self.said, self.plot = gr.HTML(), plot("skills-difference")
        context.on_selection(self.draw_choice, [self.other, self.said, self.plot])
        context.on(self.other.input, self.draw, [context.selection, self.other], [self.said, self.plot])

    def draw_choice(self, context: Context, selection: Selection) -> Shown:
        """Runs to compare with (none: no field), and nothing drawn yet."""
        project = context.project(selection)
        runs = list_summaries(project) if project and find_allocation(context, selection) else []
        choices = [
            (run.name, run.run_id)
            for run in runs
            if run.run_id != selection.run_id and RunFolder(project.runs_dir / run.run_id).allocation_path.is_file()  # type: ignore[union-attr]
        ]
        shown = gr.update(choices=choices, value=None, visible=bool(choices))
        return {self.other: shown, self.said: "", self.plot: ""}

    def draw(self, context: Context, selection: Selection, other: str | None) -> Shown:
        """The other run minus the chosen one, on the tasks that both have."""
        mine, theirs = (find_allocation(context, s) for s in (selection, selection.with_run(other or "")))
        if mine is None or theirs is None:
            return {self.said: "", self.plot: ""}
        change = difference_of_runs(mine, theirs)
        figure = lean_heatmap(change)
        figure["data"][0]["hovertemplate"] = "%{y}, %{x}: %{z:+.2f}<extra></extra>"
        head = part(say("skills.other_title")) + note(say("skills.other_note"))
        return {
            self.said: head + word_all([describe_change(change, [sure_pairs(one) for one in (mine, theirs)])]),
            self.plot: to_json(with_csv(figure, "difference", change, say("word.task"))),
        }


def describe_change(change: pd.DataFrame, pairs: Sequence[list[Any] | None]) -> Sentence:
    """The pair whose likeness differs most between two runs; where neither run has a pair that is alike beyond
    chance, a difference is noise minus noise. `pairs`: `sure_pairs` of both."""
    if not any(pairs):
        return Sentence("says.runs_chance" if None not in pairs else "says.runs_untold")
    values = change.to_numpy().copy()
    rows, columns = np.triu_indices(len(values), 1)
    place = int(np.abs(values[rows, columns]).argmax())
    first, second = rows[place], columns[place]
    largest = float(values[first, second])
    if abs(largest) < MOVED:
        return Sentence("says.runs_same", {"change": f"{abs(largest):.2f}"})
    names = {"first": str(change.index[first]), "second": str(change.columns[second])}
    return Sentence("says.runs_moved", {**names, "change": f"{largest:+.2f}"})

"""Confusions of a task with labels: which label is taken for which, and which ones go wrong most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.figures import count_heatmap, to_json, with_csv
from app.drawing.markup import esc, note, paragraphs, part, table
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_error
from app.texts.words import Key
from core.insight.compare import OTHER, confusion_matrix, describe_coverage, describe_labels, worst_labels
from core.insight.results import read_task_records
from core.messages import Sentence
from core.runs.folder import RunFolder

LABELLED = ("classification",)
MOST_WORST = 10


class LabelPanel:
    def __init__(self, context: Context) -> None:
        words = context.words
        self.head = gr.HTML(elem_id="labels-head")
        with gr.Row():
            given = {"label": Key("labels.task"), "choices": [], "visible": False}
            self.task = words(gr.Dropdown, **given, elem_id="labels-task")
            sides = [(Key(f"results.{side}"), side) for side in ("tuned", "base")]
            given = {"label": Key("labels.side"), "choices": sides, "value": "tuned", "visible": False}
            self.side = words(gr.Radio, **given, elem_id="labels-side")
        self.matrix, self.worst = plot("labels-matrix"), gr.HTML(elem_id="labels-worst")
        shown, asked = [self.matrix, self.worst], [self.task, self.side]
        context.on_selection(self.draw_choice, [self.head, *asked], [self.task])
        context.on_selection(self.draw, shown, asked)
        for trigger in (self.task.change, self.side.input):
            context.on(trigger, self.draw, [context.selection, *asked], shown, show_progress="hidden")

    def draw_choice(self, context: Context, selection: Selection, task: str | None) -> Shown:
        """The tasks with labels, and whose answers; nothing when the run has none."""
        names = _labelled(context, selection)
        hidden = gr.update(visible=False)
        if not names:
            return {self.head: "", self.task: hidden, self.side: hidden}
        return {
            self.head: part(say("labels.title")) + note(say("labels.note")),
            self.task: gr.update(choices=names, value=task if task in names else names[0], visible=True),
            self.side: gr.update(visible=True),
        }

    def draw(self, context: Context, selection: Selection, task: str | None, side: str) -> Shown:
        """Confusion matrix, and the worst labels in words and numbers."""
        run_dir = context.run_dir(selection)
        names = _labelled(context, selection)
        chosen = task if task in names else names[0] if names else None
        if run_dir is None or chosen is None:
            return {self.matrix: "", self.worst: ""}
        worded = {OTHER: say("labels.other")}
        matrix = confusion_matrix(run_dir, chosen, side).rename(index=worded, columns=worded)
        worst = worst_labels(run_dir, chosen, side).replace({"label": worded, "instead": worded})
        figure = with_csv(count_heatmap(matrix), f"confusion-{side}", matrix, say("labels.label"))
        return {self.matrix: to_json(figure), self.worst: worst_view(worst, describe_coverage(run_dir, chosen))}


def worst_view(worst: pd.DataFrame, coverage: Sequence[Sentence] = ()) -> str:
    said = [word_error(s.key, s.values)[0] for s in describe_labels(worst, coverage)]
    headers = [say(f"labels.{name}") for name in ("label", "n", "right", "recall", "instead")]
    rows = [_cells(row) for row in worst.head(MOST_WORST).to_dict("records")]
    return paragraphs(said) + table(headers, rows, numeric=(1, 2, 3))


def _cells(row: dict[Any, Any]) -> list[str]:
    return [esc(row["label"]), str(row["n"]), str(row["right"]), f"{row['recall']:.0%}", esc(row["instead"] or "–")]


def _labelled(context: Context, selection: Selection) -> list[str]:
    """Examined tasks whose answers are labels."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not RunFolder(run_dir).results_path.is_file():
        return []
    return [
        str(record["name"])
        for record in read_task_records(run_dir)
        if record.get("kind") in LABELLED and RunFolder(run_dir).answers_path(record["index"]).is_file()
    ]

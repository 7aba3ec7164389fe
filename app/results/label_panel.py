"""Confusions of a task with labels: which label is taken for which, and which ones go wrong most."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.figures import count_heatmap, to_json, with_csv
from app.drawing.markup import esc, note, paragraphs, part, table
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say, word_error
from app.texts.words import Key
from core.insight.compare import OTHER, confusion_matrix, describe_labels, worst_labels
from core.insight.results import read_task_records

LABELLED = ("classification",)
MOST_WORST = 10


def build_labels(context: Context) -> None:
    words = context.words
    head = gr.HTML(elem_id="labels-head")
    with gr.Row():
        task = words(gr.Dropdown, label=Key("labels.task"), choices=[], elem_id="labels-task", visible=False)
        sides = [(Key(f"results.{side}"), side) for side in ("tuned", "base")]
        given = {"label": Key("labels.side"), "choices": sides, "value": "tuned", "visible": False}
        side = words(gr.Radio, **given, elem_id="labels-side")
    matrix, worst = plot("labels-matrix"), gr.HTML(elem_id="labels-worst")
    context.on_selection(draw_choices, [head, task, side], [task])
    context.on_selection(draw_labels, [matrix, worst], [task, side])
    for trigger in (task.change, side.input):
        context.on(trigger, draw_labels, [context.selection, task, side], [matrix, worst], show_progress="hidden")


def draw_choices(context: Context, selection: Selection, task: str | None) -> list[Any]:
    """-> heading, the tasks with labels, whose answers; nothing when the run has none."""
    names = _labelled(context, selection)
    hidden = gr.update(visible=False)
    if not names:
        return ["", hidden, hidden]
    head = part(say("labels.title")) + note(say("labels.note"))
    value = task if task in names else names[0]
    return [head, gr.update(choices=names, value=value, visible=True), gr.update(visible=True)]


def draw_labels(context: Context, selection: Selection, task: str | None, side: str) -> list[str]:
    """-> confusion matrix, worst labels in words and numbers."""
    run_dir = context.run_dir(selection)
    names = _labelled(context, selection)
    chosen = task if task in names else names[0] if names else None
    if run_dir is None or chosen is None:
        return ["", ""]
    worded = {OTHER: say("labels.other")}
    matrix = confusion_matrix(run_dir, chosen, side).rename(index=worded, columns=worded)
    worst = worst_labels(run_dir, chosen, side).replace({"label": worded, "instead": worded})
    said = [word_error(s.key, s.values)[0] for s in describe_labels(worst)]
    headers = [say(f"labels.{name}") for name in ("label", "n", "right", "recall", "instead")]
    rows = [_cells(row) for row in worst.head(MOST_WORST).to_dict("records")]
    figure = with_csv(count_heatmap(matrix), f"confusion-{side}", matrix, say("labels.label"))
    return [to_json(figure), paragraphs(said) + table(headers, rows, numeric=(1, 2, 3))]


def _cells(row: dict[Any, Any]) -> list[str]:
    return [esc(row["label"]), str(row["n"]), str(row["right"]), f"{row['recall']:.0%}", esc(row["instead"] or "–")]


def _labelled(context: Context, selection: Selection) -> list[str]:
    """Examined tasks whose answers are labels."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not (run_dir / "results.json").is_file():
        return []
    return [
        str(record["name"])
        for record in read_task_records(run_dir)
        if record.get("kind") in LABELLED and (run_dir / "predictions" / f"{record['index']}.jsonl").is_file()
    ]

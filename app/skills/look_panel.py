"""Token view: one example, typed or out of the exam, with the weights or gates it is answered with, layer by
layer."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import note, part
from app.drawing.skill_figures import layers_heatmap, size_heatmap
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.skills.skill_sections import word_all
from app.texts import say
from app.texts.words import Key
from core.insight.look_table import Look, describe_look, look_from_dict
from core.tasks.dataset import load_saved_tasks
from core.tasks.spec import TaskSpec

MOST_COLUMNS = 4  # input columns that get a field of their own


def build_look(context: Context) -> None:
    """Choose a task, then an exam row or a text of one's own."""
    words = context.words
    with words(gr.Accordion, label=Key("look.title"), open=False, elem_id="skills-look"):
        about = gr.HTML()
        with gr.Row():
            task = words(gr.Dropdown, label=Key("look.task"), choices=[], elem_id="look-task", min_width=200)
            row = words(gr.Number, label=Key("look.row"), value=0, precision=0, minimum=0, elem_id="look-row")
            by_row = words(gr.Button, Key("look.by_row"), elem_id="look-by-row", min_width=160)
        fields = [
            gr.Textbox(lines=2, max_lines=8, visible=False, elem_id=f"look-input-{i}") for i in range(MOST_COLUMNS)
        ]
        by_text = words(gr.Button, Key("look.by_text"), elem_id="look-by-text")
        shown_run, drawn = gr.State(""), [gr.HTML(elem_id="look-says")]
        for name in ("weights", "sizes", "tokens"):
            drawn += [gr.HTML(), plot(f"look-{name}")]
    context.on_selection(draw_choices, [about, task, shown_run, *drawn], [task, shown_run])
    context.on_selection(draw_fields, fields, [task])
    context.on(task.change, draw_fields, [context.selection, task], fields, show_progress="hidden")
    slow = {"show_progress": "full", "concurrency_limit": 1, "concurrency_id": "look"}
    context.on(by_row.click, partial(look, typed=False), [context.selection, task, row], drawn, **slow)
    context.on(by_text.click, partial(look, typed=True), [context.selection, task, *fields], drawn, **slow)


def draw_choices(context: Context, selection: Selection, task: str | None, shown_run: str) -> list[Any]:
    """-> explanation, tasks, whose example is shown. What was looked at stays while the run stays the same: the end
    of a job redraws the screen too."""
    run_dir = context.trained_run(selection)
    names = [spec.name for spec in load_saved_tasks(run_dir / "data")] if run_dir else []
    chosen = task if task in names else names[0] if names else None
    about, tasks = note(say("look.note")), gr.update(choices=names, value=chosen)
    kept = [gr.skip() if shown_run == selection.run_id else ""] * 7
    return [about, tasks, selection.run_id, *kept]


def draw_fields(context: Context, selection: Selection, task: str | None) -> list[Any]:
    spec = _find_task(context, selection, task)
    columns = list(spec.inputs)[:MOST_COLUMNS] if spec else []
    shown = [gr.update(label=name, visible=True) for name in columns]
    return shown + [gr.update(visible=False)] * (MOST_COLUMNS - len(columns))


def look(context: Context, selection: Selection, task: str | None, *values: Any, typed: bool) -> list[str]:
    """Asks the model in a process of its own; some seconds on a CPU."""
    run_dir, spec = context.trained_run(selection), _find_task(context, selection, task)
    if run_dir is None or spec is None:
        return [""] * 7
    if typed:
        pairs = zip(spec.inputs, values, strict=False)
        asked = [f"--input={column}={value or ''}" for column, value in pairs]
    else:
        asked = [f"--row={int(values[0] or 0)}"]
    record = run_errand(context.workspace.root, "look", run_dir.name, f"--task={spec.name}", *asked)
    return draw_look(look_from_dict(record))


def draw_look(found: Look) -> list[str]:
    """-> sentences, then heading and plot of the weights, of the sizes of the skills' parts, and of the tokens."""
    even = 1.0 / max(1, found.weights.shape[1])
    drawn = [word_all(describe_look(found)) + note(say("look.answer", text=found.answer[:300]))]
    weights = with_csv(layers_heatmap(found.weights, even), "look-weights", found.weights, "layer")
    drawn += [part(say("look.weights")), to_json(weights)]
    for name, table in (("sizes", found.sizes), ("tokens", found.by_token)):
        if table is None:
            drawn += ["", ""]
            continue
        heading = f"look.{name}" if name == "sizes" else f"look.{name}_{found.level}"
        figure = with_csv(size_heatmap(table), f"look-{name}", table, name)
        drawn += [part(say(heading)), to_json(figure)]
    return drawn


def _find_task(context: Context, selection: Selection, name: str | None) -> TaskSpec | None:
    run_dir = context.trained_run(selection)
    specs = load_saved_tasks(run_dir / "data") if run_dir else []
    return next((spec for spec in specs if spec.name == name), None)

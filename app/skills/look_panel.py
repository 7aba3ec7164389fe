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
from app.shell.outcomes import Outcomes, Slow, wire_slow
from app.shell.redraw import Shown
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.skills.chosen_run import word_all
from app.texts import say
from app.texts.words import Key
from core.insight.look_table import Look, describe_look, look_from_dict
from core.runs.folder import RunFolder
from core.tasks.spec import TaskSpec

MOST_COLUMNS = 4  # input columns that get a field of their own


class LookPanel:
    """Choose a task, then an exam row or a text of one's own."""

    def __init__(self, context: Context) -> None:
        words = context.words
        with words(gr.Accordion, label=Key("look.title"), open=False, elem_id="skills-look"):
            self.about = gr.HTML()
            with gr.Row():
                self.task = words(
                    gr.Dropdown, label=Key("look.task"), choices=[], elem_id="look-task", min_width=200
                )
                given = {"label": Key("look.row"), "value": 0, "precision": 0, "minimum": 0}
                self.row = words(gr.Number, **given, elem_id="look-row")
                self.by_row = words(gr.Button, Key("look.by_row"), elem_id="look-by-row", min_width=160)
            names = [f"look-input-{i}" for i in range(MOST_COLUMNS)]
            self.fields = [gr.Textbox(lines=2, max_lines=8, visible=False, elem_id=name) for name in names]
            self.by_text = words(gr.Button, Key("look.by_text"), elem_id="look-by-text")
            self.said = gr.HTML(elem_id="look-says")
            self.plots = {name: (gr.HTML(), plot(f"look-{name}")) for name in ("weights", "sizes", "tokens")}
        self._wire(context)

    @property
    def drawn(self) -> list[Any]:
        return [self.said, *(part for pair in self.plots.values() for part in pair)]

    def _wire(self, context: Context) -> None:
        selection, outcomes = context.selection, gr.State(Outcomes())
        shown = [self.about, self.task, *self.drawn]
        context.on_selection(self.draw, shown, [self.task, outcomes])
        context.on_selection(self.draw_fields, self.fields, [self.task])
        context.on(self.task.change, self.draw_fields, [selection, self.task], self.fields, show_progress="hidden")
        alone = {"concurrency_limit": 1, "concurrency_id": "look", "outcomes": outcomes}
        ways = ((self.by_row, False, [self.row]), (self.by_text, True, self.fields))
        for button, typed, fields in ways:
            slow = Slow(partial(self.look, typed=typed), chosen_run, self.shown)
            wire_slow(context, button.click, slow, [self.task, *fields], self.drawn, **alone)

    def draw(self, context: Context, selection: Selection, task: str | None, outcomes: Outcomes) -> Shown:
        """What was looked at last in this run stays: the end of a job redraws the screen too."""
        run_dir = context.trained_run(selection)
        names = [spec.name for spec in RunFolder(run_dir).read_tasks()] if run_dir else []
        found = outcomes.of(selection.run_id)
        chosen = task if task in names else names[0] if names else None
        return {
            self.about: note(say("look.note")),
            self.task: gr.update(choices=names, value=chosen),
            **(self.shown(found) if found is not None else self._nothing()),
        }

    def draw_fields(self, context: Context, selection: Selection, task: str | None) -> Shown:
        spec = _find_task(context, selection, task)
        names = list(spec.inputs)[:MOST_COLUMNS] if spec else []
        shown = {field: gr.update(visible=False) for field in self.fields}
        for field, name in zip(self.fields, names, strict=False):
            shown[field] = gr.update(label=name, visible=True)
        return shown

    def look(
        self, context: Context, selection: Selection, task: str | None, *values: Any, typed: bool
    ) -> Look | None:
        """Asks the model in a process of its own; some seconds on a CPU."""
        run_dir, spec = context.trained_run(selection), _find_task(context, selection, task)
        if run_dir is None or spec is None:
            return None
        if typed:
            pairs = zip(spec.inputs, values, strict=False)
            asked = [f"--input={column}={value or ''}" for column, value in pairs]
        else:
            asked = [f"--row={int(values[0] or 0)}"]
        record = run_errand(context.workspace.root, "look", run_dir.name, f"--task={spec.name}", *asked)
        return look_from_dict(record)

    def shown(self, found: Look) -> Shown:
        """Sentences, then the weights, the sizes of the skills' parts, and the tokens, as far as there are."""
        even = 1.0 / max(1, found.weights.shape[1])
        said = word_all(describe_look(found)) + note(say("look.answer", text=found.answer[:300]))
        drawn = {**self._nothing(), self.said: said}
        figures = {"weights": (say("look.weights"), layers_heatmap(found.weights, even), found.weights, "layer")}
        if found.sizes is not None:
            figures["sizes"] = (say("look.sizes"), size_heatmap(found.sizes), found.sizes, "sizes")
        if found.by_token is not None:
            title = say(f"look.tokens_{found.level}")
            figures["tokens"] = (title, size_heatmap(found.by_token), found.by_token, "tokens")
        for name, (title, figure, table, index) in figures.items():
            head, picture = self.plots[name]
            drawn |= {head: part(title), picture: to_json(with_csv(figure, f"look-{name}", table, index))}
        return drawn

    def _nothing(self) -> Shown:
        return dict.fromkeys(self.drawn, "")


def chosen_run(_: Context, selection: Selection) -> str:
    return selection.run_id


def _find_task(context: Context, selection: Selection, name: str | None) -> TaskSpec | None:
    run_dir = context.trained_run(selection)
    specs = RunFolder(run_dir).read_tasks() if run_dir else []
    return next((spec for spec in specs if spec.name == name), None)

"""Add a task: a trained run learns one more task from a few rows, skills frozen, the old tasks bit for bit as
before."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import empty, esc, lead, note, paragraphs, part, table
from app.drawing.skill_figures import banded_curves
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, find_job, run_place
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_error
from app.texts.words import Key, Words
from core.base.records import from_record
from core.insight.growth import Growth, describe_growth, growth_frame
from core.runs.folder import RunFolder
from core.tasks.store import list_tasks

TITLE = "tab.grow"
COUNTS = (5, 10, 20, 50)


def grow_words(context: Context, selection: Selection, *chosen: Any) -> list[str]:
    """The command that the job runs."""
    task, counts, draws, steps, private = chosen
    if not task:
        raise gr.Error(say("grow.no_task"), title=say("error.title"))
    run_dir = context.trained_run(selection)
    words = ["add-task", run_dir.name, f"--draws={int(draws)}", f"--steps={int(steps)}"]  # type: ignore[union-attr]
    words += [f"--rows={int(count)}" for count in sorted(counts) or COUNTS]
    return [*words, *(["--private"] if private else []), "--", task]


SPEC = JobSpec("add-task", grow_words, run_place)


class Grow:
    """Which task and how many rows on top; below it the curve and the known tasks that are nearest."""

    def __init__(self, context: Context) -> None:
        self.head = gr.HTML(elem_id="grow-head")
        with gr.Column(visible=False) as self.body:
            asked = self._build_wish(context.words)
            self.panel = JobPanel(context, SPEC, asked, "grow.start", "primary")
        self.outcome, self.curve = gr.HTML(elem_id="grow-outcome"), plot("grow-curve")
        self.nearest = gr.HTML(elem_id="grow-nearest")
        self.open = context.words(gr.Button, Key("grow.open"), visible=False, elem_id="grow-open")
        drawn = [self.outcome, self.curve, self.nearest, self.open]
        context.on_selection(self.draw, [self.head, self.body, self.task], [self.task])
        context.on_selection(self.draw_outcome, drawn)
        context.on(self.panel.start.click, lambda _: self._nothing(), [], drawn)
        context.on(self.open.click, open_run, [context.selection], context.selection)

    def _build_wish(self, words: Words) -> list[Any]:
        """-> the fields of `grow_words`."""
        with gr.Row():
            label, hint = Key("grow.task"), Key("grow.task_help")
            self.task = words(gr.Dropdown, label=label, info=hint, choices=[], elem_id="grow-task", min_width=220)
            given = {"label": Key("grow.counts"), "choices": [(str(n), n) for n in COUNTS], "value": list(COUNTS)}
            counts = words(gr.CheckboxGroup, **given, elem_id="grow-counts", min_width=220)
        with gr.Row():
            given = {"label": Key("grow.draws"), "info": Key("grow.draws_help"), "minimum": 1, "maximum": 10}
            draws = words(gr.Slider, **given, step=1, value=3, elem_id="grow-draws", min_width=220)
            given = {"label": Key("grow.steps"), "info": Key("grow.steps_help"), "minimum": 10, "maximum": 500}
            steps = words(gr.Slider, **given, step=10, value=60, elem_id="grow-steps", min_width=220)
            label, hint = Key("grow.private"), Key("grow.private_help")
            private = words(gr.Checkbox, label=label, info=hint, value=False, elem_id="grow-private", min_width=220)
        return [self.task, counts, draws, steps, private]

    def draw(self, context: Context, selection: Selection, task: str | None) -> Shown:
        """The project's tasks that the run does not know yet."""
        run_dir, project = context.trained_run(selection), context.project(selection)
        if run_dir is None or project is None:
            return {
                self.head: empty(say("grow.none_title"), say("grow.none_text")),
                self.body: gr.update(visible=False),
            }
        known = {spec.name for spec in RunFolder(run_dir).read_tasks()}
        names = [spec.name for spec in list_tasks(project) if spec.name not in known]
        said = lead(say("grow.lead"))
        if not names:
            said += empty(say("grow.all_known"), say("grow.no_task"))
        value = task if task in names else names[0] if names else None
        at_work = find_job(context, selection, SPEC).is_live
        return {
            self.head: said,
            self.body: gr.update(visible=bool(names) or at_work),
            self.task: gr.update(choices=names, value=value),
        }

    def draw_outcome(self, context: Context, selection: Selection) -> Shown:
        """Sentences, the curve with its band, the nearest tasks, and whether the new run can be opened."""
        state = find_job(context, selection, SPEC)
        if not isinstance(state.value, dict) or "curve" not in state.value:
            return self._nothing()
        found = from_record(Growth, state.value, "add-task")
        metric = say(f"metric.{found.metric}")
        told = [word_error(s.key, {**s.values, "metric": metric})[0] for s in describe_growth(found)]
        frame = growth_frame(found)
        curve = banded_curves({metric: frame.rename(columns={"rows": "x"})}, say("grow.axis"))
        exists = context.run_dir(selection.with_run(found.run_id)) is not None
        return {
            self.outcome: part(say("grow.outcome", task=found.task)) + paragraphs(told),
            self.curve: to_json(with_csv(curve, "new-task", frame.set_index("rows"), "rows")),
            self.nearest: nearest_table(found.nearest),
            self.open: gr.update(visible=exists),
        }

    def _nothing(self) -> Shown:
        return {self.outcome: "", self.curve: "", self.nearest: "", self.open: gr.update(visible=False)}


def nearest_table(nearest: list[tuple[str, float]]) -> str:
    rows = [[esc(name), f"{loss:.2f}"] for name, loss in nearest[:5]]
    headers = [say("results.task"), say("grow.loss")]
    head = part(say("grow.nearest")) + note(say("grow.nearest_note"))
    return head + table(headers, rows, (1,))


def open_run(context: Context, selection: Selection) -> Selection:
    """The run that knows the new task becomes the chosen one."""
    value = find_job(context, selection, SPEC).value
    return selection.with_run(str(value["run_id"])) if isinstance(value, dict) else selection


build = Grow

"""Add a task: drop a file or paste rows, one button, one sentence. A trained run learns one more task from a few
rows, its skills frozen, the old tasks bit for bit as before."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import esc, lead, note, paragraphs, part, table
from app.drawing.skill_figures import banded_curves
from app.drawing.widgets import plot
from app.grow.new_rows import NewRows, require_settled
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, find_job, run_place
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.way_on import BY_BUTTON, WayOn, next_place
from app.texts import say, word_error
from app.texts.words import Key, Words
from core.base.records import from_record
from core.insight.growth import Growth, describe_growth, growth_frame

TITLE = "tab.grow"
COUNTS = (5, 10, 20, 50)
STEPS = 60


def grow_words(context: Context, selection: Selection, *chosen: Any) -> list[str]:
    """The command that the job runs.

    Raises:
        gr.Error: there is no new task. RunError: it is in question how its file is meant.
    """
    task, counts, draws, steps, private = chosen
    run_dir = context.trained_run(selection)
    if not task or run_dir is None:
        raise gr.Error(say("grow.no_task"), title=say("error.title"))
    require_settled(context, selection, task)
    words = ["add-task", run_dir.name, f"--draws={int(draws)}", f"--steps={int(steps)}"]
    words += [f"--rows={int(count)}" for count in sorted(counts or ())]
    return [*words, "--private" if private else "--no-private", "--", task]


SPEC = JobSpec("add-task", grow_words, run_place)


class Grow:
    """The new rows on top, one button; below it the outcome in one sentence, with what to do next."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.way_on = WayOn(context, "grow-head")
        self.head = self.way_on.head
        go = {"variant": "primary", "visible": False, "elem_id": "grow-go-train"}
        self.onwards = words(gr.Button, Key("grow.go_train"), **go)
        with gr.Column(visible=False) as self.body:
            self.rows = NewRows(context)
            started = gr.Column()
            with words(gr.Accordion, label=Key("grow.experiment"), open=False, elem_id="grow-experiment"):
                asked = [self.rows.task, *self._build_experiment(words)]
            with started:
                self.panel = JobPanel(context, SPEC, asked, "grow.start", "primary", self.rows.wire_pasted)
        self._build_outcome(context)
        selection = context.selection
        context.on_selection(self.draw, [self.head, self.onwards, self.body])
        context.on_selection(self.draw_outcome, self.drawn)
        context.on(self.panel.start.click, lambda _: self._nothing(), [], self.drawn)
        context.on(
            self.onwards.click, lambda at, seen: at.go_to(seen, "train"), [selection], [selection, context.tabs]
        )

    @staticmethod
    def _build_experiment(words: Words) -> list[Any]:
        """-> the fields of `grow_words` behind the task: rows, draws, steps, a private skill."""
        label, hint = Key("grow.private"), Key("grow.private_help")
        private = words(gr.Checkbox, label=label, info=hint, value=True, elem_id="grow-private", min_width=220)
        given = {"label": Key("grow.counts"), "info": Key("grow.counts_help"), "value": [], "min_width": 220}
        choices = [(str(n), n) for n in COUNTS]
        counts = words(gr.CheckboxGroup, **given, choices=choices, elem_id="grow-counts")
        with gr.Row():
            given = {"label": Key("grow.draws"), "info": Key("grow.draws_help"), "minimum": 1, "maximum": 10}
            draws = words(gr.Slider, **given, step=1, value=1, elem_id="grow-draws", min_width=220)
            given = {"label": Key("grow.steps"), "info": Key("grow.steps_help"), "minimum": 10, "maximum": 500}
            steps = words(gr.Slider, **given, step=10, value=STEPS, elem_id="grow-steps", min_width=220)
        return [counts, draws, steps, private]

    def _build_outcome(self, context: Context) -> None:
        words, selection, hidden = context.words, context.selection, {"visible": False}
        self.outcome = gr.HTML(elem_id="grow-outcome")
        with gr.Row():
            self.ask = words(gr.Button, Key("grow.ask"), variant="primary", **hidden, elem_id="grow-ask")
            self.open = words(gr.Button, Key("grow.open"), **hidden, elem_id="grow-open")
        with words(
            gr.Accordion, label=Key("grow.details"), open=False, **hidden, elem_id="grow-details"
        ) as self.more:
            self.told, self.curve = gr.HTML(elem_id="grow-told"), plot("grow-curve")
            self.nearest = gr.HTML(elem_id="grow-nearest")
        context.on(self.open.click, see_results, [selection], [selection, context.tabs])
        context.on(self.ask.click, ask_task, [selection], [selection, context.tabs])

    @property
    def drawn(self) -> list[Any]:
        return [self.outcome, self.ask, self.open, self.more, self.told, self.curve, self.nearest]

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Where to bring the new task; without a trained run, the way to one."""
        if context.trained_run(selection) is not None:
            return {
                self.head: lead(say("grow.lead")),
                self.onwards: gr.update(visible=False),
                self.body: gr.update(visible=True),
            }
        title, text = say("grow.none_title"), say("grow.none_text")
        return {
            self.head: self.way_on.view(context, selection, title, text, BY_BUTTON),
            self.onwards: gr.update(visible=next_place(context, selection) in BY_BUTTON),
            self.body: gr.update(visible=False),
        }

    def draw_outcome(self, context: Context, selection: Selection) -> Shown:
        """One sentence against guessing, what to do next; folded the curve with its band and the nearest tasks."""
        state = find_job(context, selection, SPEC)
        if not isinstance(state.value, dict) or "curve" not in state.value:
            return self._nothing()
        found = from_record(Growth, state.value, "add-task")
        metric = say(f"metric.{found.metric}")
        first, *rest = [word_error(s.key, {**s.values, "metric": metric})[0] for s in describe_growth(found)]
        exists = context.run_dir(selection.with_run(found.run_id)) is not None
        return {
            self.outcome: lead(first),
            self.ask: gr.update(visible=exists),
            self.open: gr.update(visible=exists),
            self.more: gr.update(visible=True),
            self.told: paragraphs(rest),
            self.curve: curve_of(found, metric),
            self.nearest: nearest_table(found.nearest),
        }

    def _nothing(self) -> Shown:
        hidden = dict.fromkeys((self.ask, self.open, self.more), gr.update(visible=False))
        return {**hidden, self.outcome: "", self.told: "", self.curve: "", self.nearest: ""}


def curve_of(found: Growth, metric: str) -> str:
    """The score by number of rows; nothing where there was one number only."""
    if len(found.curve) < 2:
        return ""
    frame = growth_frame(found)
    curve = banded_curves({metric: frame.rename(columns={"rows": "x"})}, say("grow.axis"))
    return to_json(with_csv(curve, "new-task", frame.set_index("rows"), "rows"))


def nearest_table(nearest: list[tuple[str, float]]) -> str:
    rows = [[esc(name), f"{loss:.2f}"] for name, loss in nearest[:5]]
    headers = [say("results.task"), say("grow.loss")]
    head = part(say("grow.nearest")) + note(say("grow.nearest_note"))
    return head + table(headers, rows, (1,))


def open_run(context: Context, selection: Selection) -> Selection:
    """The run that knows the new task becomes the chosen one."""
    value = find_job(context, selection, SPEC).value
    return selection.with_run(str(value["run_id"])) if isinstance(value, dict) else selection


def see_results(context: Context, selection: Selection) -> Shown:
    """Results, with the run that knows the new task: its verdict beside those of the other tasks."""
    return context.go_to(open_run(context, selection), "results")


def ask_task(context: Context, selection: Selection) -> Shown:
    """Try it, with the run that knows the new task, as this task."""
    value = find_job(context, selection, SPEC).value
    task = str(value["task"]) if isinstance(value, dict) else ""
    return context.go_to(open_run(context, selection), "try_it", task=task)


build = Grow

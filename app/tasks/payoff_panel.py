"""Whether training again pays off: what the run's learning curve says of the task, or that it is not known."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.drawing.durations import word_seconds
from app.drawing.markup import note, paragraphs, part
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.tasks.health_panel import chosen_task
from app.texts import say, word_sentence
from core.base.errors import RunError
from core.insight.learning_curve import CURVE, SHARES, describe_payoff, require_curve
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.prediction import seconds_at_work


class PayoffPanel:
    """Sentences, and below them the button that measures, while nothing is measured and something can be: where it
    would only fail, the reason stands there. On a shared page only the sentences stand: it lets nobody train many
    runs at once."""

    def __init__(self, context: Context) -> None:
        self.said = gr.HTML(elem_id="payoff-says")
        with gr.Column(visible=False, elem_id="payoff-ask") as self.asking:
            if not context.shared:
                JobPanel(context, JobSpec(CURVE, curve_words, run_to_measure), [], "annotate.curve")
        context.on_selection(self.draw, [self.said, self.asking])

    def draw(self, context: Context, selection: Selection) -> Shown:
        run_dir, spec = run_that_knows(context, selection), chosen_task(context, selection)
        if run_dir is None or spec is None:
            return {self.said: "", self.asking: gr.update(visible=False)}
        told = describe_payoff(context.require_project(selection), RunFolder(run_dir), spec.task_id)
        is_open = run_to_measure(context, selection) is not None
        if is_open and (why := why_not(RunFolder(run_dir), spec.task_id)):
            told, is_open = [why], False
        said = part(say("annotate.payoff")) + paragraphs([" ".join(word_sentence(s.key, s.values) for s in told)])
        hint = note(measuring_time(RunFolder(run_dir))) if is_open and not context.shared else ""
        return {self.said: said + hint, self.asking: gr.update(visible=is_open)}


def measuring_time(folder: RunFolder) -> str:
    """What the two trainings cost, by the run's own time at work where that is known."""
    taken = seconds_at_work(folder)
    if taken is None:
        return say("annotate.curve_cost")
    return say("annotate.curve_time", time=word_seconds(sum(SHARES[:-1]) * taken))


def why_not(folder: RunFolder, task_id: str) -> Sentence | None:
    """Why nothing could be told of this task by measuring; None where it may be."""
    name = next(known.name for known in folder.read_tasks() if known.task_id == task_id)
    try:
        require_curve(folder, [name])
    except RunError as error:
        return Sentence(error.key, error.values)
    return None


def run_that_knows(context: Context, selection: Selection) -> Path | None:
    """The chosen run when it has learned the chosen task."""
    run_dir, spec = context.trained_run(selection), chosen_task(context, selection)
    if run_dir is None or spec is None:
        return None
    return run_dir if any(known.task_id == spec.task_id for known in RunFolder(run_dir).read_tasks()) else None


def run_to_measure(context: Context, selection: Selection) -> Path | None:
    """The same while its curve is not measured."""
    run_dir = run_that_knows(context, selection)
    return run_dir if run_dir is not None and not RunFolder(run_dir).probe_path(CURVE).is_file() else None


def curve_words(context: Context, selection: Selection) -> list[str]:
    """The command that the job runs."""
    run_dir, spec = run_that_knows(context, selection), chosen_task(context, selection)
    assert run_dir is not None
    assert spec is not None
    return ["annotate", run_dir.name, f"--task={spec.task_id}", "--curve"]

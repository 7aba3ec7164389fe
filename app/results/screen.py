"""Results: a verdict a task first, then the final exam of a run in numbers, against guessing, the untouched model
and any other run, what was forgotten, another model as a yardstick, and a study panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import lead, note, paragraphs, part
from app.drawing.score_figures import score_bars
from app.drawing.widgets import plot
from app.results.answer_browser import AnswerBrowser
from app.results.comparing import comparison_view
from app.results.detector_panel import DetectorPanel
from app.results.exam_panel import ExamPanel
from app.results.forgotten_panel import ForgottenPanel
from app.results.label_panel import LabelPanel
from app.results.report_panel import ReportPanel
from app.results.score_table import score_table
from app.results.study_panel import StudyPanel
from app.results.verdict_panel import VerdictPanel
from app.results.wordings_panel import WordingsPanel
from app.results.yardstick_panel import YardstickPanel
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.way_on import BY_BUTTON, WayOn
from app.texts import say, word_error
from app.texts.words import Key
from core.insight.compare import compare_runs
from core.insight.means import describe_mean
from core.insight.results import TaskResult, read_scores, score_frame
from core.runs.folder import RunFolder
from core.runs.summaries import list_summaries

TITLE = "tab.results"


class Results:
    """Verdicts first, then table and bars, what was forgotten, the answers of a task, and what can be asked for."""

    def __init__(self, context: Context) -> None:
        self.way_on = WayOn(context, "results-head")
        self.head = self.way_on.head
        verdicts = VerdictPanel(context)
        self.numbers = gr.HTML(elem_id="results-numbers")
        given = {"label": Key("compare.with"), "info": Key("compare.with_help"), "choices": [], "value": None}
        given |= {"visible": False, "filterable": False}
        self.other = context.words(gr.Dropdown, **given, elem_id="compare-with")
        self.scores, self.outcome = gr.HTML(elem_id="results-table"), gr.HTML(elem_id="compare-view")
        self.bars = plot("results-bars")
        ForgottenPanel(context)
        with gr.Column(visible=False) as self.body:
            ReportPanel(context)
            AnswerBrowser(context, self.other)
            LabelPanel(context)
            DetectorPanel(context)
            WordingsPanel(context)
            YardstickPanel(context)
        verdicts.wire(context, ExamPanel(context).fold)
        if not context.shared:  # a shared page trains one run at a time
            StudyPanel(context)
        self._wire(context)

    def _wire(self, context: Context) -> None:
        seen = [context.selection, self.other]
        context.on_selection(self.draw, [self.head, self.numbers, self.scores, self.bars, self.body], [self.other])
        context.on_selection(self.draw_others, [self.other, self.outcome], [self.other])
        context.on(self.other.change, draw_scores, seen, self.scores, show_progress="hidden")
        context.on(self.other.change, draw_comparison, seen, self.outcome)

    def draw(self, context: Context, selection: Selection, other: str | None) -> Shown:
        """Introduction with sentences, table, bars, and whether there is more below."""
        scores = find_scores(context, selection)
        if not scores:
            asks_exam = BY_BUTTON if context.trained_run(selection) else ()  # it stands below
            title, text = say("results.none_title"), say("results.none_text")
            hint = self.way_on.view(context, selection, title, text, asks_exam)
            nothing = {self.numbers: "", self.scores: "", self.bars: ""}
            return {self.head: hint, **nothing, self.body: gr.update(visible=False)}
        figure = score_bars([_bars(score) for score in scores])
        figure = with_csv(figure, "scores", score_frame(scores).set_index("task"), "task")
        said = part(say("results.numbers")) + note(say("results.lead"))
        folder = RunFolder(context.run_dir(selection))  # type: ignore[arg-type]
        if (folder.read_results() or {}).get("only_labels"):
            said += note(say("exam.was_labels"))
        return {
            self.head: lead(say("verdicts.lead")),
            self.numbers: said,
            self.scores: draw_scores(context, selection, other),
            self.bars: to_json(figure),
            self.body: gr.update(visible=True),
        }

    def draw_others(self, context: Context, selection: Selection, other: str | None) -> Shown:
        """Runs to compare with (none: no field); a choice stays while its run is there, its comparison is drawn."""
        project = context.project(selection)
        runs = list_summaries(project) if project and find_scores(context, selection) else []
        examined = [run for run in runs if run.tuned is not None and run.run_id != selection.run_id]
        choices = [(run.name, run.run_id) for run in examined]
        kept = other if other in [run.run_id for run in examined] else None
        nobody = (say("compare.nobody"), "")
        return {
            self.other: gr.update(choices=[nobody, *choices], value=kept or "", visible=bool(choices)),
            self.outcome: draw_comparison(context, selection, kept),
        }


def draw_comparison(context: Context, selection: Selection, other: str | None) -> str:
    """The chosen run minus the other, as in the table's column."""
    first, second = find_other(context, selection, other), context.run_dir(selection)
    return comparison_view(first, second) if first and second else ""


def draw_scores(context: Context, selection: Selection, other: str | None) -> str:
    """The table with its sentences; with another run its scores and the change against it as well."""
    scores = find_scores(context, selection)
    if not scores:
        return ""
    said = [word_error(s.key, s.values)[0] for s in describe_mean(scores)]
    second = find_other(context, selection, other)
    against = compare_runs(second, context.run_dir(selection)) if second else []  # type: ignore[arg-type]
    name = str(RunFolder(second).read_run()["name"]) if second else ""
    return score_table(scores, name, {c.task: c for c in against}) + paragraphs(said)


def _bars(score: TaskResult) -> dict[str, Any]:
    sides = {"base": score.base, "tuned": score.tuned, "guess": score.best}
    below = score.gain is not None and score.gain.is_sure and score.gain.value < 0
    return {"task": score.task, "below": below, **{name: s.as_dict() if s else None for name, s in sides.items()}}


def find_other(context: Context, selection: Selection, other: str | None) -> Path | None:
    return context.run_dir(selection.with_run(other)) if other else None


def find_scores(context: Context, selection: Selection) -> list[TaskResult]:
    """The exam of the chosen run; empty while there is none."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not RunFolder(run_dir).results_path.is_file():
        return []
    return read_scores(run_dir)


build = Results

"""One HTML file to hand on, in the user's language."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.outcomes import Outcomes, Slow, file_view, wire_slow
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder
from app.texts import say, word_method, word_sentence, word_skills
from app.texts.language import current_language
from app.texts.words import Key
from core.base.files import write_text_atomic
from core.insight.report import WORDS, ReportWords, build_report

ANSWERS = 20  # of a task


class ReportPanel:
    def __init__(self, context: Context) -> None:
        words = context.words
        with gr.Row():
            self.make = words(gr.Button, Key("results.report"), elem_id="results-report", min_width=200, scale=1)
            given = {"label": Key("results.report_rows"), "info": Key("results.report_rows_help"), "value": False}
            self.rows = words(gr.Checkbox, **given, elem_id="results-report-rows", scale=2)
            given = {"label": Key("results.report_file"), "visible": False, "interactive": False, "scale": 3}
            self.file = words(gr.File, **given, elem_id="results-report-file")
        slow = Slow(make_report, show=file_view)
        outcomes = wire_slow(context, self.make.click, slow, [self.rows], self.file, concurrency_limit=1)
        kept = {"kept": [self.file], "subject": context.results_seen}
        context.on_selection(draw_report, self.file, [outcomes], **kept)


def draw_report(context: Context, selection: Selection, outcomes: Outcomes) -> Any:
    """The report of the chosen run, where one was made."""
    return file_view(outcomes.of(context.results_seen(selection)))


def make_report(context: Context, selection: Selection, with_rows: bool = False) -> str | None:
    """Writes the report with the command's own function, in the user's language; -> its file. Rows of the exam are
    in it only with consent."""
    run_dir = context.run_dir(selection)
    if run_dir is None:
        return None
    target = new_export_folder(run_dir.name) / "report.html"
    write_text_atomic(target, build_report(run_dir, report_words(), ANSWERS if with_rows else 0))
    return str(target)


def report_words() -> ReportWords:
    """The report speaks as the screens do."""
    return ReportWords(
        language=current_language(),
        headings={name: say(f"report.{name}") for name in WORDS},
        sentence=lambda said: word_sentence(said.key, said.values),
        metric=lambda name: say(f"metric.{name}"),
        skill=word_skills,
        method=word_method,
    )

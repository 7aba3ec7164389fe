"""Results: the final exam of a run, task by task, against the untouched model and any other run, and a study
panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.durations import asking_time, word_score
from app.drawing.figures import score_bars, to_json, with_csv
from app.drawing.markup import badge, download_link, empty, esc, lead, note, paragraphs, table, to_csv
from app.drawing.run_markup import score_cell
from app.drawing.widgets import plot
from app.results.answer_browser import build_answers
from app.results.comparing import comparison_view
from app.results.detector_panel import build_detector
from app.results.label_panel import build_labels
from app.results.study_panel import build_studies
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder
from app.texts import say, word_error, word_method, word_sentence, word_skills
from app.texts.language import current_language
from app.texts.words import Key
from core.base.files import write_text_atomic
from core.insight.compare import Comparison, compare_runs
from core.insight.expecting import expect_exam
from core.insight.report import WORDS, ReportWords, build_report
from core.insight.results import TaskResult, describe_mean, mean_scores, read_scores, score_frame
from core.insight.verdicts import describe_verdicts, read_verdicts
from core.runs.folder import RunFolder
from core.runs.summaries import list_summaries

TITLE = "tab.results"


def build(context: Context) -> None:
    """Sentences and table first, then the bars, the answers of one task, and a comparison with another run."""
    head = gr.HTML(elem_id="results-head")
    label, hint = Key("compare.with"), Key("compare.with_help")
    given = {"label": label, "info": hint, "choices": [], "value": None, "visible": False, "filterable": False}
    other = context.words(gr.Dropdown, **given, elem_id="compare-with")
    scores, outcome = gr.HTML(elem_id="results-table"), gr.HTML(elem_id="compare-view")
    bars = plot("results-bars")
    with gr.Column(visible=False) as body:
        _build_report(context)
        build_answers(context, other)
        build_labels(context)
        build_detector(context)
    _build_exam(context)
    build_studies(context)
    context.on_selection(draw, [head, scores, bars, body], [other])
    context.on_selection(draw_others, [other, outcome], [other])
    context.on(other.change, draw_scores, [context.selection, other], scores, show_progress="hidden")
    context.on(other.change, draw_comparison, [context.selection, other], outcome)


def _build_report(context: Context) -> None:
    """One HTML file to hand on."""
    with gr.Row():
        make = context.words(gr.Button, Key("results.report"), elem_id="results-report", min_width=200, scale=1)
        label = Key("results.report_file")
        file = context.words(
            gr.File, label=label, visible=False, interactive=False, elem_id="results-report-file", scale=3
        )
    context.on(make.click, make_report, [context.selection], file, show_progress="full", concurrency_limit=1)
    hide = gr.update(visible=False)
    context.on_selection(lambda _, selection: hide, file, kept=[file], subject=context.results_seen)


def _build_exam(context: Context) -> None:
    """Another exam of the trained model: more rows, or answers that can only be labels."""
    words = context.words
    with words(gr.Accordion, label=Key("exam.title"), open=False, elem_id="results-exam"):
        about = gr.HTML(elem_id="exam-about")
        with gr.Row():
            label, hint = Key("exam.rows"), Key("exam.rows_help")
            rows = words(gr.Number, label=label, info=hint, value=200, precision=0, minimum=0, elem_id="exam-rows")
            base = words(gr.Checkbox, label=Key("exam.base"), value=True, elem_id="exam-base")
            label, hint = Key("exam.labels"), Key("exam.labels_help")
            labels = words(gr.Checkbox, label=label, info=hint, value=False, elem_id="exam-labels")
        JobPanel(context, JobSpec("exam", exam_words, run_place), [rows, base, labels], "exam.start")
    context.on_selection(draw_exam_note, about, [rows, base])
    for field in (rows, base):
        context.on(
            field.input,
            draw_exam_note,
            [context.selection, rows, base],
            about,
            show_progress="hidden",
            trigger_mode="always_last",
        )


def draw_exam_note(context: Context, selection: Selection, rows: float | None, with_base: bool) -> str:
    """What another exam does, how many answers that is and about how long they take."""
    run_dir, said = context.trained_run(selection), say("exam.note")
    if run_dir is None:
        return note(said)
    return note(said + asking_time(expect_exam(run_dir, int(rows or 0), with_base)))


def exam_words(
    context: Context, selection: Selection, rows: float | None, with_base: bool, only_labels: bool
) -> list[str]:
    run_dir = context.trained_run(selection)
    found = ["evaluate", run_dir.name, "--again", f"--rows={int(rows or 0)}"]  # type: ignore[union-attr]
    return found + ([] if with_base else ["--no-base"]) + (["--only-labels"] if only_labels else [])


def make_report(context: Context, selection: Selection) -> Any:
    """Writes the report with the command's own function, in the user's language, and offers it."""
    run_dir = context.run_dir(selection)
    if run_dir is None:
        return gr.update(visible=False)
    target = new_export_folder(run_dir.name) / "report.html"
    write_text_atomic(target, build_report(run_dir, report_words()))
    return gr.update(value=str(target), visible=True)


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


def draw_others(context: Context, selection: Selection, other: str | None) -> list[Any]:
    """-> runs to compare with (none: no field); a choice stays while its run is there, its comparison is drawn."""
    project = context.project(selection)
    runs = list_summaries(project) if project and find_scores(context, selection) else []
    choices = [(run.name, run.run_id) for run in runs if run.tuned is not None and run.run_id != selection.run_id]
    kept = other if other in [run_id for _, run_id in choices] else None
    nothing = (say("compare.nobody"), "")
    shown = gr.update(choices=[nothing, *choices], value=kept or "", visible=bool(choices))
    return [shown, draw_comparison(context, selection, kept)]


def draw_comparison(context: Context, selection: Selection, other: str | None) -> str:
    """The chosen run minus the other, as in the table's column."""
    first, second = find_other(context, selection, other), context.run_dir(selection)
    return comparison_view(first, second) if first and second else ""


def draw(context: Context, selection: Selection, other: str | None) -> list[Any]:
    """-> introduction with sentences, table, bars, and whether there is more below."""
    scores = find_scores(context, selection)
    if not scores:
        hint = empty(say("results.none_title"), say("results.none_text"))
        return [hint, "", "", gr.update(visible=False)]
    rows = [
        {"task": s.task, "tuned": s.tuned.as_dict(), "base": s.base.as_dict() if s.base else None} for s in scores
    ]
    figure = with_csv(score_bars(rows), "scores", score_frame(scores).set_index("task"), "task")
    said = lead(say("results.lead"))
    folder = RunFolder(context.run_dir(selection))  # type: ignore[arg-type]
    if (folder.read_results() or {}).get("only_labels"):
        said += note(say("exam.was_labels"))
    return [said, draw_scores(context, selection, other), to_json(figure), gr.update(visible=True)]


def draw_scores(context: Context, selection: Selection, other: str | None) -> str:
    """The table with its sentences; with another run its scores and the change against it as well."""
    scores = find_scores(context, selection)
    if not scores:
        return ""
    run_dir = context.run_dir(selection)
    judged = describe_verdicts(read_verdicts(run_dir, scores)) if run_dir else []
    said = [word_error(s.key, s.values)[0] for s in (*judged, *describe_mean(scores))]
    second = find_other(context, selection, other)
    against = compare_runs(second, context.run_dir(selection)) if second else []  # type: ignore[arg-type]
    name = str(RunFolder(second).read_run()["name"]) if second else ""
    return score_table(scores, name, {c.task: c for c in against}) + paragraphs(said)


def find_other(context: Context, selection: Selection, other: str | None) -> Path | None:
    return context.run_dir(selection.with_run(other)) if other else None


def find_scores(context: Context, selection: Selection) -> list[TaskResult]:
    """The exam of the chosen run; empty while there is none."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not (run_dir / "results.json").is_file():
        return []
    return read_scores(run_dir)


def score_table(scores: list[TaskResult], other: str = "", against: dict[str, Comparison] | None = None) -> str:
    """Task x metric with intervals, the change with an arrow, and whether it may be chance; a CSV of the same.

    `other` names a second run, `against` holds this run minus that one by task.
    """
    names = ["task", "metric", "base", "tuned", "change", "rows"]
    headers = [say(f"results.{name}") for name in names]
    if other:
        headers.insert(5, say("results.against", run=other))
    rows = []
    for s in scores:
        row = [f"<b>{esc(s.task)}</b>", esc(say(f"metric.{s.metric}"))]
        row += [score_cell(s.base.as_dict() if s.base else None), score_cell(s.tuned.as_dict())]
        row += [_change(s)]
        rows.append(row + ([_against((against or {}).get(s.task))] if other else []) + [str(s.tuned.n)])
    if len(scores) > 1:
        rows.append(_mean_row(scores, other, against or {}))
    numeric = range(2, len(headers))
    return table(headers, rows, numeric=numeric) + f"<p>{_csv(scores)}</p>"


def _mean_row(scores: list[TaskResult], other: str, against: dict[str, Comparison]) -> list[str]:
    base, tuned = mean_scores(scores)
    gain = "" if base is None else _arrow(tuned - base)
    name = f"<b>{esc(say('results.mean'))}</b>"
    row = [name, "", word_score(base), f"<b>{word_score(tuned)}</b>", gain]
    if other:
        gaps = [c.difference.value for c in against.values()]
        row.append(_arrow(sum(gaps) / len(gaps)) if gaps else "–")
    return [*row, ""]


def _csv(scores: list[TaskResult]) -> str:
    frame = score_frame(scores)
    text = to_csv(list(frame.columns), frame.round(6).values.tolist())
    return download_link("results.csv", text, say("results.download"))


def _change(score: TaskResult) -> str:
    if score.change is None:
        return "–"
    return _marked(score.change, score.is_sure)


def _against(comparison: Comparison | None) -> str:
    if comparison is None:
        return "–"
    return _marked(comparison.difference.value, comparison.is_sure)


def _marked(change: float, is_sure: bool) -> str:
    if not is_sure:
        return f"{_arrow(change, 'same')} {badge(say('results.unsure'))}"
    return _arrow(change)


def _arrow(change: float, css: str = "") -> str:
    if round(100 * change, 1) == 0:
        return '<span class="same">= 0.0</span>'
    sign, name = ("▲", "up") if change > 0 else ("▼", "down")
    return f'<span class="{css or name}">{sign} {100 * change:+.1f}</span>'

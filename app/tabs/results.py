"""Results: the final exam of a run, task by task, base against trained, and the answers behind the numbers."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pandas as pd

from app.comparing import comparison_view
from app.context import Context
from app.durations import word_score
from app.figures import score_bars, to_json
from app.markup import badge, download_link, empty, esc, lead, note, paragraphs, part, table, to_csv
from app.run_markup import score_cell
from app.selection import Selection
from app.texts import say, word_error
from app.widgets import plot
from app.words import Key
from core.insight.results import (
    FILTERS,
    TaskResult,
    describe_results,
    mean_scores,
    read_answers,
    read_scores,
    score_frame,
)
from core.runs.summaries import list_summaries

TITLE = "tab.results"
SHOWN_ANSWERS = 12
MOST_CHARS = 900  # of a question in the list of answers


def build(context: Context) -> None:
    """Sentences and table first, then the bars, then the answers of one task."""
    words = context.words
    head = gr.HTML(elem_id="results-head")
    scores, bars = gr.HTML(elem_id="results-table"), plot("results-bars")
    with gr.Column(visible=False) as body:
        title = gr.HTML()
        with gr.Row():
            task = words(gr.Dropdown, label=Key("results.pick"), choices=[], elem_id="results-task", min_width=200)
            kind = words(
                gr.Radio,
                label=Key("results.show"),
                value="all",
                elem_id="results-filter",
                min_width=320,
                scale=2,
                choices=[(Key(f"results.filter_{name}"), name) for name in FILTERS],
            )
            search = words(
                gr.Textbox,
                label=Key("results.search"),
                max_length=200,
                max_lines=1,
                elem_id="results-search",
                min_width=160,
            )
        answers = gr.HTML(elem_id="results-answers")
    context.on_selection(draw, [head, scores, bars, body, title, task])
    _build_comparison(context)
    inputs = [context.selection, task, kind, search]
    context.on_selection(draw_answers, answers, [task, kind, search])
    for trigger in (task.change, kind.input, search.input):
        context.on(trigger, draw_answers, inputs, answers, show_progress="hidden", trigger_mode="always_last")


def _build_comparison(context: Context) -> None:
    """A second run beside the chosen one, out of those of this project that have an exam."""
    label, hint = Key("compare.with"), Key("compare.with_help")
    other = context.words(gr.Dropdown, label=label, info=hint, choices=[], value=None, elem_id="compare-with")
    outcome = gr.HTML(elem_id="compare-view")
    context.on_selection(draw_others, [other, outcome])
    context.on(other.input, draw_comparison, [context.selection, other], outcome)


def draw_others(context: Context, selection: Selection) -> list[Any]:
    """-> runs to compare with (none: no field), and no comparison yet."""
    project = context.project(selection)
    runs = list_summaries(project) if project and find_scores(context, selection) else []
    choices = [(run.name, run.run_id) for run in runs if run.tuned is not None and run.run_id != selection.run_id]
    return [gr.update(choices=choices, value=None, visible=bool(choices)), ""]


def draw_comparison(context: Context, selection: Selection, other: str | None) -> str:
    first, second = context.run_dir(selection), context.run_dir(selection.with_run(other or ""))
    return comparison_view(first, second, selection.language) if first and second else ""


def draw(context: Context, selection: Selection) -> list[Any]:
    """-> introduction with sentences, table, bars, answers block, its heading, its tasks."""
    language, scores = selection.language, find_scores(context, selection)
    if not scores:
        hint = empty(say(language, "results.none_title"), say(language, "results.none_text"))
        return [hint, "", "", gr.update(visible=False), "", gr.skip()]
    said = [word_error(language, s.key, _worded(s.values, language))[0] for s in describe_results(scores)]
    rows = [
        {"task": s.task, "tuned": s.tuned.as_dict(), "base": s.base.as_dict() if s.base else None} for s in scores
    ]
    names = [s.task for s in scores]
    return [
        lead(say(language, "results.lead")),
        score_table(scores, language) + paragraphs(said),
        to_json(score_bars(rows, language)),
        gr.update(visible=True),
        part(say(language, "results.answers")),
        gr.update(choices=names, value=names[0]),
    ]


def draw_answers(context: Context, selection: Selection, task: str | None, kind: str, search: str) -> str:
    """Exam questions of a task with the right answer and those of both models; right ones in green."""
    scores, language = find_scores(context, selection), selection.language
    run_dir = context.run_dir(selection)
    if run_dir is None or task not in [s.task for s in scores]:
        return ""
    everything = len(read_answers(run_dir, str(task)))
    rows = read_answers(run_dir, str(task), kind, search or "")
    if rows.empty:
        return note(say(language, "results.no_rows"))
    shown = rows.head(SHOWN_ANSWERS)
    headers = [say(language, f"results.{name}") for name in ("input", "right", "tuned", "base")]
    cells = [
        [_long(row.prompt), esc(row.target), _given(row.tuned, row.tuned_score), _given(row.base, row.base_score)]
        for row in shown.itertuples()
    ]
    count = say(language, "results.answers_count", n=len(rows), all=everything, shown=len(shown))
    return note(count) + table(headers, cells)


def find_scores(context: Context, selection: Selection) -> list[TaskResult]:
    """The exam of the chosen run; empty while there is none."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not (run_dir / "results.json").is_file():
        return []
    return read_scores(run_dir)


def score_table(scores: list[TaskResult], language: str) -> str:
    """Task x metric with intervals, the change with an arrow, and whether it may be chance; a CSV of the same."""
    names = ("task", "metric", "base", "tuned", "change", "rows")
    rows = [
        [
            f"<b>{esc(s.task)}</b>",
            esc(say(language, f"metric.{s.metric}")),
            score_cell(s.base.as_dict() if s.base else None),
            score_cell(s.tuned.as_dict()),
            _change(s, language),
            str(s.tuned.n),
        ]
        for s in scores
    ]
    base, tuned = mean_scores(scores)
    if len(scores) > 1:
        mean = f"<b>{esc(say(language, 'results.mean'))}</b>"
        gain = "" if base is None else _arrow(tuned - base)
        rows.append([mean, "", word_score(base), f"<b>{word_score(tuned)}</b>", gain, ""])
    frame = score_frame(scores)
    file = download_link(
        "results.csv",
        to_csv(list(frame.columns), frame.round(6).values.tolist()),
        say(language, "results.download"),
    )
    headers = [say(language, f"results.{name}") for name in names]
    return table(headers, rows, numeric=(2, 3, 4, 5)) + f"<p>{file}</p>"


def _change(score: TaskResult, language: str) -> str:
    if score.change is None:
        return "–"
    if not score.is_sure:
        return f"{_arrow(score.change, 'same')} {badge(say(language, 'results.unsure'))}"
    return _arrow(score.change)


def _arrow(change: float, css: str = "") -> str:
    sign, name = ("▲", "up") if change > 0 else ("▼", "down") if change < 0 else ("=", "same")
    return f'<span class="{css or name}">{sign} {100 * change:+.1f}</span>'


def _given(text: Any, score: float) -> str:
    if not isinstance(text, str):
        return "–"
    if pd.isna(score):
        return esc(text)
    css = "up" if score >= 0.999 else "down" if score <= 0 else ""
    return f'<span class="{css}">{esc(text) or "∅"}</span> <span class="dim">{score:.2f}</span>'


def _long(text: str) -> str:
    return f'<div class="cell">{esc(text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + " …")}</div>'


def _worded(values: dict[str, Any], language: str) -> dict[str, Any]:
    """Sentence values with the metric's name in the user's language."""
    return {**values, "metric": say(language, f"metric.{values['metric']}")} if "metric" in values else values

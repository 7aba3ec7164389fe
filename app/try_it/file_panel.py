"""A file of questions on the Try it screen: answered in batches, scored where the file holds right answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.markup import bar, download_link, esc, note, paragraphs, table
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from app.try_it.columns import find_spec, read_settings
from core.base.errors import RunError
from core.chat.protocol import ask
from core.chat.question_files import FileOutcome, answer_questions, judge, outcome_csv, read_questions
from core.tasks.reading.files import SUFFIXES

SHOWN = 50
REDRAW_S = 0.3


class FilePanel:
    """`task` and `settings` are the fields of the screen."""

    def __init__(self, context: Context, task: Any, settings: list[Any]) -> None:
        words = context.words
        with words(gr.Accordion, label=Key("try.file"), open=False, elem_id="try-file-panel"):
            about = gr.HTML()
            context.on_selection(lambda _, selection: note(say("try.file_note")), about)
            given = {"label": Key("try.file_drop"), "file_types": list(SUFFIXES), "height": 110}
            self.file = words(gr.File, **given, elem_id="try-file")
            with gr.Row():
                given = {"variant": "primary", "min_width": 140}
                go = words(gr.Button, Key("try.file_go"), **given, elem_id="try-file-go")
                halt = words(gr.Button, Key("try.stop"), elem_id="try-file-stop", min_width=100)
            self.outcome = gr.HTML(elem_id="try-file-outcome")
        inputs, how = [context.selection, self.file, task, *settings], {"show_progress": "hidden"}
        running = context.on(go.click, answer_file, inputs, self.outcome, concurrency_limit=2, **how)
        halt.click(None, None, None, cancels=[running], api_visibility="private")


def answer_file(
    context: Context, selection: Selection, path: str | None, task: str | None, *settings: Any
) -> Iterator[str]:
    """Reads the file, answers its rows as the chosen task, and shows answers, score and a file to save."""
    run_dir, spec = context.trained_run(selection), find_spec(context, selection, task)
    if path is None or run_dir is None or spec is None:
        raise RunError("chat.no_file")
    questions = read_questions(Path(path), spec, Path(path).name)
    request = ask(run_dir, spec.name, "-", **read_settings(list(settings)))
    answers, drawn, total = {}, 0.0, len(questions)
    for place, answer in answer_questions(context.chat, request, questions):
        answers[place] = answer
        if time.monotonic() - drawn > REDRAW_S:
            drawn = time.monotonic()
            said = say("try.file_progress", done=len(answers), total=total)
            yield paragraphs([said]) + bar(len(answers) / total, "", said)
    yield outcome_view(judge(spec, [answers[place] for place in range(total)]))


def outcome_view(outcome: FileOutcome) -> str:
    said = say("try.file_done", n=len(outcome.answers))
    if outcome.score is not None:
        found = outcome.score
        points = {
            name: f"{100 * value:.1f}"
            for name, value in (("value", found.value), ("low", found.low), ("high", found.high))
        }
        said += " " + say("try.file_score", n=found.n, **points)
    save = download_link("answers.csv", outcome_csv(outcome), say("try.file_save"))
    heads = [say(f"try.file_{name}") for name in ("line", "question", "answer", "right", "score_head")]
    rows = []
    for answer, value in list(zip(outcome.answers, outcome.values, strict=True))[:SHOWN]:
        question = "\n".join(answer.question.inputs.values())
        text = f'<span class="down">{esc(answer.error)}</span>' if answer.error else esc(answer.text) or "∅"
        tone = "" if value is None else "up" if value >= 0.999 else "down" if value <= 0 else ""
        shown = "–" if value is None else f'<span class="{tone}">{100 * value:.0f}</span>'
        cell = f'<div class="cell">{esc(question[:400])}</div>'
        rows.append([str(answer.question.line), cell, text, esc(answer.question.target) or "–", shown])
    more = note(say("try.file_more", n=SHOWN)) if len(outcome.answers) > SHOWN else ""
    return paragraphs([said]) + f"<p>{save}</p>" + table(heads, rows, numeric=(0, 4)) + more

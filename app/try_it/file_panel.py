"""A file of questions on the Try it screen: answered in batches, scored where the file holds right answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.doubt_markup import reading_notes
from app.drawing.markup import bar, download_link, esc, note, paragraphs, table
from app.shell.context import Context
from app.shell.outcomes import Outcomes, draw_after
from app.shell.selection import Selection
from app.shell.upload_folders import note_uploads
from app.texts import say
from app.texts.words import Key
from app.try_it.columns import find_spec, read_settings
from core.base.errors import RunError
from core.chat.protocol import ChatRequest, ask
from core.chat.question_files import FileOutcome, answer_questions, judge, outcome_csv, read_questions
from core.tasks.reading.files import SUFFIXES
from core.tasks.spec import TaskSpec

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
        outcomes, quiet = gr.State(Outcomes()), {"show_progress": "hidden"}
        shown, inputs = [context.selection, outcomes], [self.file, task, *settings]
        many = {"concurrency_limit": 2, "trigger_mode": "multiple", **quiet}
        asked = context.on(go.click, answer_file, [*shown, *inputs], self.outcome, **many)
        draw_after(context, asked, draw_outcome, shown, self.outcome)
        context.on(halt.click, stop, [context.selection], concurrency_limit=None, **quiet)
        context.on_selection(draw_outcome, self.outcome, [outcomes])


@dataclass(frozen=True)
class Answers:
    """What came of a file of `total` questions, as far as it was answered; `outcome` is None until it has ended."""

    done: int
    total: int
    outcome: FileOutcome | None = None


def answer_file(
    context: Context, selection: Selection, outcomes: Outcomes, request: gr.Request, *values: Any
) -> Iterator[str]:
    """Reads the file, answers its rows as the chosen task, and keeps what there is for its run: answers, score and
    a file to save, of all questions or those before a stop. Says how far it is while this run is shown."""
    path, task, *settings = values
    run_dir, spec = context.trained_run(selection), find_spec(context, selection, task)
    if path is None or run_dir is None or spec is None:
        raise RunError("chat.no_file")
    stopping = context.stops.begin(_place(selection, request))
    if stopping is None:  # a second click on the same run asks nothing twice
        yield gr.skip()
        return
    try:
        asked = ask(run_dir, spec.name, "-", **read_settings(settings))
        yield from _answer(context, selection, outcomes, stopping, (Path(path), spec, asked))
    finally:
        context.stops.end(_place(selection, request), stopping)


def _answer(
    context: Context,
    selection: Selection,
    outcomes: Outcomes,
    stopping: threading.Event,
    given: tuple[Path, TaskSpec, ChatRequest],
) -> Iterator[str]:
    """A file that cannot be read leaves what the last one came to."""
    path, spec, asked = given
    note_uploads(context.require_project(selection), [str(path)])  # it goes with the project
    read = read_questions(path, spec, path.name)
    questions = read.questions
    answers, drawn, total = {}, time.monotonic(), len(questions)
    try:
        outcomes.keep(selection.run_id, Answers(0, total))
        yield answers_view(Answers(0, total)) if outcomes.shown == selection.run_id else gr.skip()
        for place, answer in answer_questions(context.chat, asked, questions, stopping):
            answers[place] = answer
            outcomes.keep(selection.run_id, Answers(len(answers), total))
            if outcomes.shown == selection.run_id and time.monotonic() - drawn >= REDRAW_S:
                drawn = time.monotonic()
                yield answers_view(Answers(len(answers), total))
    finally:
        found = judge(spec, [answers[place] for place in sorted(answers)], read)
        outcomes.keep(selection.run_id, Answers(len(answers), total, found))


def stop(context: Context, selection: Selection, request: gr.Request) -> None:
    """Ends the file of the run that is shown; the answers so far stay."""
    context.stops.stop(_place(selection, request))


def draw_outcome(_: Context, selection: Selection, outcomes: Outcomes) -> str:
    """What came of the latest file of the chosen run, or how far it is."""
    outcomes.shown = selection.run_id
    found = outcomes.of(selection.run_id)
    return answers_view(found) if found else ""


def answers_view(answers: Answers) -> str:
    if answers.outcome is not None:
        return outcome_view(answers.outcome, answers.total)
    said = say("try.file_progress", done=answers.done, total=answers.total)
    return paragraphs([said]) + bar(answers.done / answers.total, "", said)


def _place(selection: Selection, request: gr.Request) -> str:
    """A page may have a file at work for each of several runs."""
    return f"{request.session_hash} file {selection.run_id}"


def outcome_view(outcome: FileOutcome, total: int) -> str:
    done = len(outcome.answers)
    said = say("try.file_done", n=done) if done == total else say("try.file_stopped", done=done, total=total)
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
    notes = reading_notes(outcome.notes)
    if not rows:
        return paragraphs([said]) + notes
    return paragraphs([said]) + notes + f"<p>{save}</p>" + table(heads, rows, numeric=(0, 4)) + more

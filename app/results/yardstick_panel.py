"""Another model as a yardstick: the same exam rows answered by an endpoint with the user's own key, or from a file.

The key goes from its field to `core.chat.other_model` in this process, and nowhere else; the field is emptied. A
shared page asks no endpoint: its server's network is nobody's to use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.markup import bar, bullets, esc, note, paragraphs, part, table
from app.drawing.run_markup import score_cell
from app.results.score_table import word_doubt
from app.shell.context import Context
from app.shell.outcomes import Outcomes, Slow, draw_after, file_view, wire_slow
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder
from app.texts import say, word_error
from app.texts.words import Key, Words
from core.base.errors import RunError, SettingError
from core.base.files import write_text_atomic
from core.chat.ask_yardstick import ask_yardstick
from core.chat.other_model import Endpoint
from core.insight.expecting import answer_seconds
from core.insight.yardstick import (
    Yardstick,
    YardstickScore,
    describe_yardstick,
    exam_questions,
    list_yardsticks,
    measure_yardstick,
)
from core.runs.folder import RunFolder
from core.tasks.reading.files import SUFFIXES

ROWS = 50
NAME = "other model"


class YardstickPanel:
    def __init__(self, context: Context) -> None:
        words = context.words
        with words(gr.Accordion, label=Key("yardstick.title"), open=False, elem_id="results-yardstick"):
            about = gr.HTML()
            context.on_selection(lambda _, selection: note(say("yardstick.about")), about)
            self.outcome = gr.HTML(elem_id="yardstick-outcome")
            given = {"label": Key("yardstick.name"), "info": Key("yardstick.name_help"), "max_length": 80}
            self.name = words(gr.Textbox, **given, max_lines=1, elem_id="yardstick-name")
            self._build_file(words)
            if not context.shared:
                self._build_endpoint(words)
        self._wire(context)

    def _build_file(self, words: Words) -> None:
        """Questions to take away, answers to bring back."""
        self.about_file = gr.HTML()
        with gr.Row():
            self.fetch = words(gr.Button, Key("yardstick.fetch"), elem_id="yardstick-fetch", min_width=180)
            given = {"label": Key("yardstick.questions"), "visible": False, "interactive": False}
            self.questions = words(gr.File, **given, elem_id="yardstick-questions")
        given = {"label": Key("yardstick.file"), "file_types": list(SUFFIXES), "height": 110}
        self.file = words(gr.File, **given, elem_id="yardstick-file")
        given = {"label": Key("yardstick.pasted"), "info": Key("yardstick.pasted_help"), "lines": 3, "max_lines": 8}
        self.pasted = words(gr.Textbox, **given, elem_id="yardstick-pasted")
        self.take = words(gr.Button, Key("yardstick.take"), elem_id="yardstick-take")

    def _build_endpoint(self, words: Words) -> None:
        self.about_endpoint = gr.HTML()
        with gr.Row():
            given = {"label": Key("yardstick.url"), "placeholder": "https://api.example.com/v1", "max_lines": 1}
            self.url = words(gr.Textbox, **given, elem_id="yardstick-url", min_width=240)
            given = {"label": Key("yardstick.model"), "max_lines": 1, "min_width": 160}
            self.model = words(gr.Textbox, **given, elem_id="yardstick-model")
            given = {"label": Key("yardstick.key"), "info": Key("yardstick.key_help"), "type": "password"}
            self.key = words(gr.Textbox, **given, max_lines=1, elem_id="yardstick-key", min_width=200)
        with gr.Row():
            given = {"label": Key("yardstick.rows"), "value": ROWS, "precision": 0, "minimum": 1, "min_width": 140}
            self.rows = words(gr.Number, **given, elem_id="yardstick-rows")
            given = {"info": Key("yardstick.price_help"), "value": 0, "minimum": 0, "min_width": 180}
            names = ("price_in", "price_out")
            self.prices = [
                words(gr.Number, label=Key(f"yardstick.{name}"), **given, elem_id=f"yardstick-{name}")
                for name in names
            ]
        with gr.Row():
            self.ask = words(gr.Button, Key("yardstick.ask"), elem_id="yardstick-ask", min_width=160)
            self.halt = words(gr.Button, Key("yardstick.stop"), elem_id="yardstick-stop", min_width=100)
        self.line = gr.HTML(elem_id="yardstick-line")

    def _wire(self, context: Context) -> None:
        selection, quiet = context.selection, {"show_progress": "hidden"}
        files = wire_slow(context, self.fetch.click, Slow(self.write_questions, show=file_view), [], self.questions)
        kept = {"kept": [self.questions], "subject": context.results_seen}
        context.on_selection(self.draw, [self.outcome, self.about_file, self.questions], [files], **kept)
        taken = [selection, self.name, self.file, self.pasted]
        shown = [self.outcome, self.file, self.pasted]
        took = context.on(self.take.click, self.take_answers, taken, shown, show_progress="full")
        draw_after(context, took, self.draw_outcome, [selection], self.outcome)
        if context.shared:
            return
        going = gr.State(Outcomes())
        context.on_selection(self.draw_endpoint, [self.about_endpoint, self.line], [going])
        asked = [selection, going, self.name, self.url, self.model, self.key, self.rows, *self.prices]
        many = {"concurrency_limit": 2, "trigger_mode": "multiple", **quiet}
        running = context.on(self.ask.click, self.ask_other, asked, [self.line, self.key], **many)
        draw_after(context, running, self.draw_end, [selection, going], [self.line, self.outcome])
        context.on(self.halt.click, stop, [selection], concurrency_limit=None, **quiet)

    def draw(self, context: Context, selection: Selection, files: Outcomes) -> Shown:
        said = part(say("yardstick.by_file")) + note(say("yardstick.by_file_note"))
        questions = {self.questions: file_view(files.of(context.results_seen(selection)))}
        return {self.outcome: outcome_view(context.run_dir(selection)), self.about_file: said, **questions}

    def draw_endpoint(self, _: Context, selection: Selection, going: Outcomes) -> Shown:
        """How far the chosen run's questions are, where they are being asked."""
        going.shown = selection.run_id
        said = part(say("yardstick.by_endpoint")) + note(say("yardstick.by_endpoint_note"))
        return {self.about_endpoint: said, self.line: going.of(selection.run_id) or ""}

    def draw_outcome(self, context: Context, selection: Selection) -> Shown:
        return {self.outcome: outcome_view(context.run_dir(selection))}

    def draw_end(self, context: Context, selection: Selection, going: Outcomes) -> Shown:
        """However it ended, for the run that is chosen by then: no progress, and the answers that were kept."""
        line = going.of(selection.run_id) or ""  # another run's questions may be under way
        return {self.line: line, **self.draw_outcome(context, selection)}

    def write_questions(self, context: Context, selection: Selection) -> str:
        """The exam questions as a file whose column `answer` is to be filled."""
        run_dir = require_exam(context, selection)
        target = new_export_folder(run_dir.name) / "questions.csv"
        run_errand(context.workspace.root, "yardstick", run_dir.name, f"--questions={target}", f"--rows={ROWS}")
        return str(target)

    def take_answers(
        self, context: Context, selection: Selection, name: str, path: str | None, pasted: str | None
    ) -> Shown:
        """Answers of a file, or pasted with their head, are kept to be compared; the fields are emptied."""
        require_shared_space(context, selection)
        run_dir = require_exam(context, selection)
        if not path and not (pasted or "").strip():
            raise gr.Error(say("yardstick.nothing"), title=say("error.title"))
        given = path or write_pasted(new_export_folder(run_dir.name), str(pasted))
        told = name.strip() or (Path(given).stem if path else NAME)
        run_errand(context.workspace.root, "yardstick", run_dir.name, f"--file={given}", f"--name={told}")
        return {self.file: None, self.pasted: ""}

    def ask_other(
        self, context: Context, selection: Selection, going: Outcomes, request: gr.Request, *values: Any
    ) -> Iterator[Shown]:
        """Asks the endpoint, with a line that says how far it is while this run is shown; the field of the key is
        emptied at once. A second click asks nothing twice."""
        (name, url, model, key, *numbers), run_id = values, selection.run_id
        stopping = context.stops.begin(_place(selection, request))
        if stopping is None:
            yield {self.key: ""}
            return
        try:
            asking = note(say("yardstick.asking"))
            going.keep(run_id, asking)
            yield {self.key: "", self.line: asking}
            run_dir = require_exam(context, selection)
            if not model.strip():
                raise SettingError("yardstick.no_model", url=url)
            endpoint = Endpoint(url.strip(), model.strip(), key.strip())
            rows, *prices = numbers
            questions = exam_questions(run_dir, rows=max(1, int(rows or ROWS)))
            said = [float(price) if price else None for price in prices]
            for made in ask_yardstick(run_dir, endpoint, questions, name.strip(), (said[0], said[1]), stopping):
                told = say("yardstick.progress", done=made.answers, total=len(questions))
                going.keep(run_id, paragraphs([told]) + bar(made.answers / len(questions), "", told))
                if going.shown == run_id:
                    yield {self.line: going.of(run_id)}
        finally:
            going.take(run_id)
            context.stops.end(_place(selection, request), stopping)


def stop(context: Context, selection: Selection, request: gr.Request) -> None:
    """Ends the questions about the run that is shown; the answers so far stay."""
    context.stops.stop(_place(selection, request))


def _place(selection: Selection, request: gr.Request) -> str:
    """A page may ask about several runs."""
    return f"{request.session_hash} yardstick {selection.run_id}"


def require_exam(context: Context, selection: Selection) -> Path:
    run_dir = context.run_dir(selection)
    if run_dir is None or not RunFolder(run_dir).results_path.is_file():
        raise RunError("insight.no_results", run=selection.run_id or "–")
    return run_dir


def write_pasted(folder: Path, text: str) -> str:
    """Cells that were copied out of a spreadsheet are parted by tabs."""
    target = folder / ("answers.tsv" if "\t" in text.split("\n", 1)[0] else "answers.csv")
    write_text_atomic(target, text.strip() + "\n")
    return str(target)


def outcome_view(run_dir: Path | None) -> str:
    """Each yardstick: a sentence a task, time and price, and the scores side by side."""
    if run_dir is None or not RunFolder(run_dir).results_path.is_file():
        return ""
    own = answer_seconds(run_dir)
    return "".join(_one(found, measure_yardstick(run_dir, found), own) for found in list_yardsticks(run_dir))


def _one(found: Yardstick, scores: list[YardstickScore], own: float | None) -> str:
    said = [word_error(s.key, s.values)[0] for s in describe_yardstick(found, scores, own)]
    names = ("task", "metric", "rows", "ours", "theirs", "difference")
    heads = [say(f"yardstick.{name}_head") for name in names]
    rows = [
        [
            f"<b>{esc(s.task)}</b>",
            esc(say(f"metric.{s.metric}")),
            str(s.ours.n),
            score_cell(s.ours.as_dict()),
            score_cell(s.theirs.as_dict()),
            _difference(s),
        ]
        for s in scores
    ]
    return part(found.name) + bullets([("info", text) for text in said]) + table(heads, rows, numeric=(2, 3, 4, 5))


def _difference(score: YardstickScore) -> str:
    value = f"{100 * score.difference.value:+.1f}"
    doubt = word_doubt(score.difference)
    return f"{value} · {esc(doubt)}" if doubt else value

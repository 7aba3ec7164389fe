"""The answers behind the scores: filter, search, page, mark, and correct the right answer in the task's data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.markup import badge, download_link, esc, note, part, table, to_csv
from app.drawing.widgets import buttons_in
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.base.errors import RunError
from core.insight.correcting import PLACES, correct_answer
from core.insight.marked_answers import is_marked, mark_answer
from core.insight.results import FILTERS, RIGHT, read_answers, read_task_records, require_answer
from core.runs.folder import RunFolder

PAGE = 12
MOST_CHARS = 900  # of a question in the list
MOST_IN_FILE = 5000  # rows of the file to download
Chosen = tuple[Any, ...]  # run, task and row that the form is about; () for none
View = tuple[Any, ...]  # task, filter, search, other run, page: what the list shows; () for nothing


class CorrectionForm:
    """The right answer of one row, put right in the task's data; shown when a row was chosen."""

    def __init__(self, context: Context) -> None:
        words, self.chosen = context.words, gr.State(())
        with gr.Column(visible=False, elem_id="correct-form") as self.box:
            self.about = gr.HTML()
            self.answer = words(gr.Textbox, label=Key("correct.answer"), lines=2, elem_id="correct-answer")
            places = [(Key(f"correct.{place}"), place) for place in PLACES]
            given = {"label": Key("correct.place"), "choices": places, "value": PLACES[0]}
            self.place = words(gr.Radio, **given, elem_id="correct-place")
            with gr.Row():
                given = {"elem_id": "correct-save", "min_width": 140, "variant": "primary"}
                self.save = words(gr.Button, Key("correct.save"), **given)
                self.leave = words(gr.Button, Key("correct.leave"), elem_id="correct-leave", min_width=140)
            self.done = gr.HTML(elem_id="correct-done")
        saved = [context.selection, self.chosen, self.answer, self.place]
        context.on(self.save.click, self.correct, saved, [context.selection, self.done])
        context.on(self.leave.click, lambda _: gr.update(visible=False), [], self.box, show_progress="hidden")

    @property
    def drawn(self) -> list[Any]:
        return [self.chosen, self.box, self.about, self.answer, self.done]

    def opened(self, run_dir: Path, task: str, row: int) -> Shown:
        record = require_answer(run_dir, task, row)
        return {
            self.chosen: (run_dir.name, task, row),
            self.box: gr.update(visible=True),
            self.about: part(say("correct.title")) + note(say("correct.note")) + _long(record["prompt"]),
            self.answer: gr.update(value=record["target"]),
            self.done: "",
        }

    def draw(self, _: Context, selection: Selection, chosen: Chosen, task: str | None) -> Any:
        """Closes when another run or task is looked at: it never stands under rows it is not about."""
        return gr.skip() if chosen and chosen[:2] == (selection.run_id, task) else gr.update(visible=False)

    def correct(self, context: Context, selection: Selection, chosen: Chosen, answer: str, place: str) -> Shown:
        """Writes the right answer into the task's data; it counts from the next run on."""
        run_dir = context.run_dir(selection)
        if run_dir is None or not chosen or chosen[0] != selection.run_id:
            return {self.done: ""}
        _, task, row = chosen
        spec = correct_answer(context.require_project(selection), run_dir, task, row, answer, place)
        told = say(f"correct.done_{place}", task=spec.name)
        return {context.selection: selection.touched(), self.done: f'<p class="say up">{esc(told)}</p>'}


class AnswerBrowser:
    """`other` is the dropdown with a second run, whose answers stand beside."""

    def __init__(self, context: Context, other: Any) -> None:
        words, self.other = context.words, other
        self.title, self.view = gr.HTML(), gr.State(())
        with gr.Row():
            given = {"label": Key("results.pick"), "choices": [], "min_width": 200}
            self.task = words(gr.Dropdown, **given, elem_id="results-task")
            kinds = [(Key(f"results.filter_{name}"), name) for name in FILTERS]
            given = {"label": Key("results.show"), "value": "all", "choices": kinds, "min_width": 320, "scale": 2}
            self.kind = words(gr.Radio, **given, elem_id="results-filter")
            given = {"label": Key("results.search"), "max_length": 200, "max_lines": 1, "min_width": 160}
            self.search = words(gr.Textbox, **given, elem_id="results-search")
        self.answers = buttons_in("results-answers")
        with gr.Row():
            small = {"size": "sm", "min_width": 120}
            self.before = words(gr.Button, Key("results.before"), **small, elem_id="results-before")
            self.after = words(gr.Button, Key("results.after"), **small, elem_id="results-after")
        self.form = CorrectionForm(context)
        self._wire(context)

    def _wire(self, context: Context) -> None:
        selection, form = context.selection, self.form
        asked = [self.task, self.kind, self.search, self.other]
        shown = [self.answers, self.view, self.before, self.after]
        context.on_selection(self.draw_tasks, [self.title, self.task], [self.task])
        context.on_selection(self.draw_first, shown, asked)
        quiet = {"show_progress": "hidden", "trigger_mode": "always_last"}
        for trigger in (self.task.change, self.kind.input, self.search.input, self.other.change):
            context.on(trigger, self.draw_first, [selection, *asked], shown, **quiet)
        for button, step in ((self.before, -1), (self.after, 1)):
            context.on(button.click, partial(self.draw, step=step), [selection, self.view], shown, **quiet)
        given, acted = [selection, self.view], [*shown, *form.drawn]
        context.on(self.answers.click, self.act, given, acted, show_progress="hidden")
        context.on_selection(form.draw, form.box, [form.chosen, self.task])
        given = [selection, form.chosen, self.task]
        context.on(self.task.change, form.draw, given, form.box, show_progress="hidden")

    def draw_tasks(self, context: Context, selection: Selection, task: str | None) -> Shown:
        """The tasks that were examined."""
        run_dir = context.run_dir(selection)
        if run_dir is None or not RunFolder(run_dir).results_path.is_file():
            return {self.title: ""}
        found = [r for r in read_task_records(run_dir) if RunFolder(run_dir).answers_path(r["index"]).is_file()]
        names = [str(record["name"]) for record in found]
        value = task if task in names else names[0] if names else None
        return {self.title: part(say("results.answers")), self.task: gr.update(choices=names, value=value)}

    def draw_first(
        self, context: Context, selection: Selection, task: str | None, kind: str, search: str, other: str | None
    ) -> Shown:
        """The first page of another choice."""
        return self.draw(context, selection, (task, kind, search, other, 0))

    def draw(self, context: Context, selection: Selection, view: View, *, step: int = 0) -> Shown:
        """A page of the list, and the buttons to the pages before and after."""
        task, kind, search, other, page = view or (None, "all", "", None, 0)
        rows = self._rows(context, selection, view)
        hidden = {self.before: gr.update(visible=False), self.after: gr.update(visible=False)}
        if rows is None:
            return {self.answers: "", self.view: (), **hidden}
        if rows.empty:
            return {self.answers: note(say("results.no_rows")), self.view: view, **hidden}
        pages = -(-len(rows) // PAGE)
        page = min(max(0, page + step), pages - 1)
        return {
            self.answers: answer_page(rows, page),
            self.view: (task, kind, search, other, page),
            self.before: gr.update(visible=page > 0),
            self.after: gr.update(visible=page < pages - 1),
        }

    @staticmethod
    def _rows(context: Context, selection: Selection, view: View) -> pd.DataFrame | None:
        task, kind, search, other, _ = view or (None, "all", "", None, 0)
        run_dir = context.run_dir(selection)
        second = context.run_dir(selection.with_run(other)) if other else None
        try:
            return read_answers(run_dir, str(task), kind, search or "", second) if run_dir and task else None
        except RunError:  # the task of another run, for the moment until its own tasks are listed
            return None

    def act(self, context: Context, selection: Selection, view: View, event: gr.EventData) -> Shown:
        """A click in the list: marks a row, takes the mark away, or opens the form to correct it."""
        run_dir = context.run_dir(selection)
        if run_dir is None or not view:
            return gr.skip()
        task, row = str(view[0]), int(event.id)
        if event.act == "flag":
            mark_answer(run_dir, task, row, not is_marked(run_dir, task, row))
            return self.draw(context, selection, view)
        return self.form.opened(run_dir, task, row)


def answer_page(rows: pd.DataFrame, page: int) -> str:
    shown = rows.iloc[page * PAGE : (page + 1) * PAGE]
    values = {"n": len(rows), "first": page * PAGE + 1, "last": page * PAGE + len(shown)}
    file = download_link("answers.csv", answers_csv(rows), say("results.download_answers"))
    return note(say("results.answers_count", **values)) + answer_table(shown) + f"<p>{file}</p>"


def answer_table(rows: pd.DataFrame) -> str:
    """Question, right answer, and the answers of all models; right ones in green; a mark and a pencil a row."""
    sides = ["tuned", *(["base"] if rows["base"].notna().any() else []), *(["other"] if "other" in rows else [])]
    headers = [say(f"results.{name}") for name in ("input", "right", *sides)] + [""]
    cells = []
    for row in rows.to_dict("records"):
        given = [_given(row[side], row[f"{side}_score"]) for side in sides]
        cells.append([_long(row["prompt"]), esc(row["target"]), *given, _acts(row)])
    return table(headers, cells, named=True)


def answers_csv(rows: pd.DataFrame) -> str:
    listed = rows.head(MOST_IN_FILE)
    return to_csv(list(listed.columns), listed.astype(object).where(listed.notna(), "").to_numpy().tolist())


def _acts(row: dict[str, Any]) -> str:
    """Two small buttons; what they say is also read aloud."""
    flag = say("results.unflag" if row["flagged"] else "results.flag")
    mark = badge("⚑", "warn") if row["flagged"] else "⚐"
    number = int(row["row"])
    return (
        f'<button type="button" class="mini" data-id="{number}" data-act="flag" title="{esc(flag)}" '
        f'aria-label="{esc(flag)}">{mark}</button> <button type="button" class="mini" data-id="{number}" '
        f'data-act="correct" title="{esc(say("results.correct"))}" '
        f'aria-label="{esc(say("results.correct"))}">✎</button>'
    )


def _given(text: Any, score: float) -> str:
    if not isinstance(text, str):
        return "–"
    if pd.isna(score):
        return esc(text)
    css = "up" if score >= RIGHT else "down" if score <= 0 else ""
    return f'<span class="{css}">{esc(text) or "∅"}</span> <span class="dim">{100 * score:.0f}</span>'


def _long(text: str) -> str:
    return f'<div class="cell">{esc(text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + " …")}</div>'

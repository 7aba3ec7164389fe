"""The answers behind the scores: filter, search, page, mark, and correct the right answer in the task's data."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.markup import badge, download_link, esc, note, part, table, to_csv
from app.drawing.widgets import buttons_in
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.base.errors import RunError
from core.insight.correcting import PLACES, correct_answer
from core.insight.marked_answers import is_flagged, set_flag
from core.insight.results import FILTERS, RIGHT, read_answers, read_task_records, require_answer

PAGE = 12
MOST_CHARS = 900  # of a question in the list
MOST_IN_FILE = 5000  # rows of the file to download
Chosen = tuple[Any, ...]  # run, task and row that the form is about; () for none
View = tuple[Any, ...]  # task, filter, search, other run, page: what the list shows; () for nothing


def build_answers(context: Context, other: Any) -> None:
    """`other` is the dropdown with a second run, whose answers stand beside."""
    words, selection = context.words, context.selection
    title, view, chosen = gr.HTML(), gr.State(()), gr.State(())
    with gr.Row():
        task = words(gr.Dropdown, label=Key("results.pick"), choices=[], elem_id="results-task", min_width=200)
        kinds = [(Key(f"results.filter_{name}"), name) for name in FILTERS]
        given = {"label": Key("results.show"), "value": "all", "choices": kinds, "min_width": 320, "scale": 2}
        kind = words(gr.Radio, **given, elem_id="results-filter")
        given = {"label": Key("results.search"), "max_length": 200, "max_lines": 1, "min_width": 160}
        search = words(gr.Textbox, **given, elem_id="results-search")
    answers = buttons_in("results-answers")
    with gr.Row():
        before = words(gr.Button, Key("results.before"), size="sm", elem_id="results-before", min_width=120)
        after = words(gr.Button, Key("results.after"), size="sm", elem_id="results-after", min_width=120)
    form = _build_correction(context, task, chosen)
    inputs = [selection, task, kind, search, other]
    outputs = [answers, view, before, after]
    context.on_selection(draw_tasks, [title, task], [task])
    context.on_selection(draw_first, outputs, inputs[1:])
    quiet = {"show_progress": "hidden", "trigger_mode": "always_last"}
    for trigger in (task.change, kind.input, search.input, other.change):
        context.on(trigger, draw_first, inputs, outputs, **quiet)
    for button, step in ((before, -1), (after, 1)):
        context.on(button.click, partial(draw_answers, step=step), [selection, view], outputs, **quiet)
    context.on(answers.click, act_on_answer, [selection, view], [*outputs, chosen, *form], show_progress="hidden")
    context.on_selection(draw_form, form[0], [chosen, task])
    context.on(task.change, draw_form, [selection, chosen, task], form[0], show_progress="hidden")


def _build_correction(context: Context, task: Any, chosen: Any) -> list[Any]:
    """-> the form's box, what it is about, the field of the right answer; shown when a row was chosen."""
    words = context.words
    with gr.Column(visible=False, elem_id="correct-form") as box:
        about = gr.HTML()
        answer = words(gr.Textbox, label=Key("correct.answer"), lines=2, elem_id="correct-answer")
        places = [(Key(f"correct.{place}"), place) for place in PLACES]
        given = {"label": Key("correct.place"), "choices": places, "value": PLACES[0]}
        place = words(gr.Radio, **given, elem_id="correct-place")
        with gr.Row():
            save = words(gr.Button, Key("correct.save"), variant="primary", elem_id="correct-save", min_width=140)
            leave = words(gr.Button, Key("correct.leave"), elem_id="correct-leave", min_width=140)
        done = gr.HTML(elem_id="correct-done")
    saved = [context.selection, chosen, answer, place]
    context.on(save.click, correct, saved, [context.selection, done])
    context.on(leave.click, lambda _: gr.update(visible=False), [], box, show_progress="hidden")
    return [box, about, answer, done]


def draw_tasks(context: Context, selection: Selection, task: str | None) -> list[Any]:
    """-> heading, the tasks that were examined."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not (run_dir / "results.json").is_file():
        return ["", gr.skip()]
    found = [r for r in read_task_records(run_dir) if (run_dir / "predictions" / f"{r['index']}.jsonl").is_file()]
    names = [str(record["name"]) for record in found]
    value = task if task in names else names[0] if names else None
    return [part(say("results.answers")), gr.update(choices=names, value=value)]


def draw_first(
    context: Context, selection: Selection, task: str | None, kind: str, search: str, other: str | None
) -> list[Any]:
    """The first page of another choice."""
    return draw_answers(context, selection, (task, kind, search, other, 0))


def draw_answers(context: Context, selection: Selection, view: View, *, step: int = 0) -> list[Any]:
    """-> the list, what it shows, buttons to the pages before and after."""
    task, kind, search, other, page = view or (None, "all", "", None, 0)
    run_dir = context.run_dir(selection)
    hidden = gr.update(visible=False)
    second = context.run_dir(selection.with_run(other)) if other else None
    try:
        rows = read_answers(run_dir, str(task), kind, search or "", second) if run_dir and task else None
    except RunError:  # the task of another run, for the moment until its own tasks are listed
        rows = None
    if rows is None:
        return ["", (), hidden, hidden]
    if rows.empty:
        return [note(say("results.no_rows")), view, hidden, hidden]
    pages = -(-len(rows) // PAGE)
    page = min(max(0, page + step), pages - 1)
    shown = rows.iloc[page * PAGE : (page + 1) * PAGE]
    values = {"n": len(rows), "first": page * PAGE + 1, "last": page * PAGE + len(shown)}
    head = note(say("results.answers_count", **values))
    file = download_link("answers.csv", answers_csv(rows), say("results.download_answers"))
    text = head + answer_table(shown) + f"<p>{file}</p>"
    drawn = (task, kind, search, other, page)
    return [text, drawn, gr.update(visible=page > 0), gr.update(visible=page < pages - 1)]


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


def act_on_answer(context: Context, selection: Selection, view: View, event: gr.EventData) -> list[Any]:
    """A click in the list: marks a row, takes the mark away, or opens the form to correct it."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not view:
        return [gr.skip()] * 9
    task, row = str(view[0]), int(event.id)
    if event.act == "flag":
        set_flag(run_dir, task, row, not is_flagged(run_dir, task, row))
        return [*draw_answers(context, selection, view), *[gr.skip()] * 5]
    record = require_answer(run_dir, task, row)
    about = part(say("correct.title")) + note(say("correct.note")) + _long(record["prompt"])
    form = [gr.update(visible=True), about, gr.update(value=record["target"]), ""]
    return [*[gr.skip()] * 4, (selection.run_id, task, row), *form]


def draw_form(_: Context, selection: Selection, chosen: Chosen, task: str | None) -> Any:
    """The form closes when another run or task is looked at, so that it never stands under rows it is not about."""
    return gr.skip() if chosen and chosen[:2] == (selection.run_id, task) else gr.update(visible=False)


def correct(
    context: Context, selection: Selection, chosen: Chosen, answer: str, place: str
) -> tuple[Selection, str]:
    """Writes the right answer into the task's data; it counts from the next run on."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not chosen or chosen[0] != selection.run_id:
        return selection, ""
    _, task, row = chosen
    spec = correct_answer(context.require_project(selection), run_dir, task, row, answer, place)
    told = say(f"correct.done_{place}", task=spec.name)
    return selection.touched(), f'<p class="say up">{esc(told)}</p>'


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

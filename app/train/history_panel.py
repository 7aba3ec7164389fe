"""All runs of a project, newest first, found by a word; a thousand of them draw as fast as forty."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.markup import note, part
from app.drawing.run_markup import run_card
from app.drawing.widgets import cards
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.runs.summaries import RunSummary, list_summaries

MOST_CARDS = 40


def build_history(context: Context) -> None:
    title = gr.HTML()
    with gr.Row(visible=False) as tools:
        word = context.words(
            gr.Textbox, label=Key("history.find"), max_length=100, max_lines=1, elem_id="history-find", scale=3
        )
        starred = context.words(
            gr.Checkbox, label=Key("history.starred"), elem_id="history-starred", scale=1, min_width=140
        )
    runs = cards("runs", "rows")
    drawn, asked = [title, tools, runs], [word, starred]
    context.on_selection(draw_history, drawn, asked)
    context.on(runs.click, choose_run, [context.selection], context.selection, show_progress="hidden")
    for trigger in (word.input, starred.input):
        context.on(
            trigger,
            draw_history,
            [context.selection, *asked],
            drawn,
            show_progress="hidden",
            trigger_mode="always_last",
        )


def choose_run(_: Context, selection: Selection, event: gr.EventData) -> Selection:
    return selection.with_run(str(event.id))


def draw_history(context: Context, selection: Selection, word: str | None, starred: bool) -> list[Any]:
    """-> heading, search (from the second run on), cards of the newest runs that match."""
    project = context.project(selection)
    runs = list_summaries(project) if project else []
    found = [run for run in runs if (run.starred or not starred) and _matches(run, word or "")]
    shown = [run_card(run, run.run_id == selection.run_id) for run in found[:MOST_CARDS]]
    heading = part(say("run.history")) if runs else ""
    if len(shown) < len(runs):
        heading += note(say("history.some", shown=len(shown), count=len(runs)))
    return [heading, gr.update(visible=len(runs) > 1), shown]


def _matches(run: RunSummary, word: str) -> bool:
    text = " ".join((run.name, run.notes, run.state, run.method, run.base_model, run.run_id, *run.tasks))
    return all(part in text.casefold() for part in word.casefold().split())

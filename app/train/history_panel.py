"""All runs of a project, newest first, found by a word; a thousand of them draw as fast as forty."""

from __future__ import annotations

import gradio as gr

from app.drawing.markup import note, part
from app.drawing.run_markup import run_card
from app.drawing.widgets import cards
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.runs.summaries import RunSummary, list_summaries

MOST_CARDS = 40


class HistoryPanel:
    """Cards of the newest runs; the search is there from the second run on."""

    def __init__(self, context: Context) -> None:
        words, quiet = context.words, {"show_progress": "hidden"}
        self.title = gr.HTML()
        with gr.Row(visible=False) as self.tools:
            given = {"label": Key("history.find"), "max_length": 100, "max_lines": 1, "scale": 3}
            self.word = words(gr.Textbox, **given, elem_id="history-find")
            given = {"label": Key("history.starred"), "scale": 1, "min_width": 140}
            self.starred = words(gr.Checkbox, **given, elem_id="history-starred")
        self.runs = cards("runs", "rows")
        shown, asked = [self.title, self.tools, self.runs], [self.word, self.starred]
        context.on_selection(self.draw, shown, asked)
        context.on(self.runs.click, choose_run, [context.selection], context.selection, **quiet)
        for trigger in (self.word.input, self.starred.input):
            given = [context.selection, *asked]
            context.on(trigger, self.draw, given, shown, trigger_mode="always_last", **quiet)

    def draw(self, context: Context, selection: Selection, word: str | None, starred: bool) -> Shown:
        """The newest runs that match."""
        project = context.project(selection)
        runs = list_summaries(project) if project else []
        found = [run for run in runs if (run.starred or not starred) and _matches(run, word or "")]
        cards_shown = [run_card(run, run.run_id == selection.run_id) for run in found[:MOST_CARDS]]
        heading = part(say("run.history")) if runs else ""
        if len(cards_shown) < len(runs):
            heading += note(say("history.some", shown=len(cards_shown), count=len(runs)))
        return {self.title: heading, self.tools: gr.update(visible=len(runs) > 1), self.runs: cards_shown}


def choose_run(_: Context, selection: Selection, event: gr.EventData) -> Selection:
    return selection.with_run(str(event.id))


def _matches(run: RunSummary, word: str) -> bool:
    text = " ".join((run.name, run.notes, run.state, run.method, run.base_model, run.run_id, *run.tasks))
    return all(part in text.casefold() for part in word.casefold().split())

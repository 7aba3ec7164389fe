"""What the model forgot of general text and simple questions while it learned the tasks."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.drawing.markup import bullets, esc, note, part, table
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_error
from core.insight.forgotten import Forgetting, describe_forgetting, read_forgetting, tone_of, warning_of
from core.messages import Sentence


class ForgottenPanel:
    def __init__(self, context: Context) -> None:
        self.view = gr.HTML(elem_id="results-forgotten")
        context.on_selection(self.draw, self.view)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Nothing where it was not measured: without an exam, or by an older version."""
        run_dir = context.run_dir(selection)
        return {self.view: forgotten_view(run_dir) if run_dir else ""}


def forgotten_view(run_dir: Path) -> str:
    found = read_forgetting(run_dir)
    if found is None:
        return ""
    items = [(tone_of(said), _said(said)) for said in describe_forgetting(found)]
    warning = [("bad", _said(warning_of(found)))] if found.is_warning else []
    return (
        part(say("forgotten.title")) + note(say("forgotten.note")) + bullets([*warning, *items]) + _details(found)
    )


def _details(found: Forgetting) -> str:
    """Losses by task, and every answer that was right before and is wrong now."""
    losses = [
        [esc(t.task), f"{found.base_loss:.2f}", f"{t.loss:.2f}", f"{t.change:+.2f} [{t.low:+.2f}, {t.high:+.2f}]"]
        for t in found.tasks
    ]
    heads = [say(f"forgotten.{name}") for name in ("task", "before", "after", "more")]
    shown = note(say("forgotten.losses")) + table(heads, losses, numeric=(1, 2, 3))
    lost = [
        [esc(task.task), esc(asked.question), esc(asked.base), esc(answer.text)]
        for task in found.tasks
        for asked in found.lost(task.task)
        for answer in asked.tuned
        if answer.task == task.task
    ]
    if lost:
        heads = [say(f"forgotten.{name}") for name in ("task", "question", "before", "after")]
        shown += note(say("forgotten.lost")) + table(heads, lost)
    return f"<details><summary>{esc(say('forgotten.details'))}</summary>{shown}</details>"


def _said(said: Sentence) -> str:
    return word_error(said.key, said.values)[0]

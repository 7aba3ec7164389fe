"""The button of an empty screen: where a person goes on from a screen that has nothing to show yet."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.markup import empty, esc
from app.drawing.widgets import buttons_in
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say
from core.runs.states import LIVE
from core.runs.summaries import list_summaries
from core.tasks.store import list_tasks

SCREENS = {"home": "home", "tasks": "tasks", "train": "train", "watch": "train"}
BY_BUTTON = ("train", "watch")  # steps that Try it and Add a task lead to with a button of their own


class WayOn:
    """The head of a screen: `view` is what it shows while the screen has nothing, with its button wired."""

    def __init__(self, context: Context, elem_id: str) -> None:
        self.head = buttons_in(elem_id)
        moves = [context.selection, context.tabs]
        context.on(self.head.click, go_on, [context.selection], moves, show_progress="hidden")

    @staticmethod
    def view(context: Context, selection: Selection, title: str, text: str, besides: tuple[str, ...] = ()) -> str:
        """What is missing, what to do, and the button that leads there. `besides`: steps for which the screen has a
        button of its own."""
        step = next_place(context, selection)
        said = empty(title, text)
        if step in besides:
            return said
        label, where = esc(say(f"onward.{step}")), f'data-id="{step}" data-act="go"'
        button = f'<button type="button" class="card-act" {where}>{label}</button>'
        return said.removesuffix("</div>") + f'<p class="way-on">{button}</p></div>'


def next_place(context: Context, selection: Selection) -> str:
    """What comes first of what an empty screen lacks: home (no project), tasks (none in it), watch (a run is at
    work), else train."""
    project = context.project(selection)
    if project is None:
        return "home"
    runs = list_summaries(project)
    if any(run.state in LIVE for run in runs):
        return "watch"
    return "train" if list_tasks(project) else "tasks"


def go_on(context: Context, selection: Selection, event: gr.EventData) -> Shown:
    """To the screen that the button named."""
    screen: Any = SCREENS.get(str(event.id))
    return context.go_to(selection, screen) if screen else {}

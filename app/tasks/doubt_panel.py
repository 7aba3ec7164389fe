"""Is this file meant like this, or like this? Both readings of a task's file side by side; one click chooses."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.drawing.doubt_markup import doubts_view
from app.drawing.widgets import buttons_in
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.permissions import require_shared_space
from app.shell.selection import Selection
from app.tasks.health_panel import chosen_task
from core.tasks.changing.settling import settle_doubt
from core.tasks.store import read_doubts


class DoubtPanel:
    """Stands above the task while a question about its file is open."""

    def __init__(self, context: Context) -> None:
        self.view = buttons_in("task-doubts")
        context.on_selection(draw_doubts, [self.view])

    def wire(self, context: Context, dropped: gr.State) -> None:
        wire_making(context, self.view.click, Making(choose_reading), ([dropped], [context.selection]))


def draw_doubts(context: Context, selection: Selection) -> str:
    """The open questions of the chosen task."""
    spec = chosen_task(context, selection)
    if spec is None:
        return ""
    doubts = read_doubts(context.require_project(selection), spec.task_id)
    return doubts_view(doubts)


def choose_reading(context: Context, selection: Selection, dropped: list[str], event: gr.EventData) -> Selection:
    """Keeps the reading of a task, or takes the other one: then the file is read again."""
    spec = chosen_task(context, selection)
    if spec is None:
        return selection
    require_shared_space(context, selection)
    project = context.require_project(selection)
    doubts = read_doubts(project, spec.task_id)
    number = int(event.id)
    if number >= len(doubts):  # answered meanwhile, in another window
        return selection.touched()
    path = next((path for path in dropped if Path(path).name == spec.source.file), "")
    settled = settle_doubt(project, spec.task_id, doubts[number], event.act == "other", path, dropped)
    return selection.with_task(settled.task_id).touched()

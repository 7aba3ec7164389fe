"""The waiting runs of a visitor in the order they will start, with buttons to move one or take it out."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.markup import note, part
from app.drawing.widgets import card, cards
from app.shell.context import Context
from app.shell.redraw import Shown, unless_seen
from app.shell.selection import Selection
from app.texts import say
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run
from core.runs.queue_db import RunQueue
from core.runs.queueing import Waiting, list_queue, move_run


class QueuePanel:
    """Nothing is shown while nothing waits."""

    def __init__(self, context: Context) -> None:
        self.title, self.waiting, self.seen = gr.HTML(), cards("queue", "rows"), gr.State("")
        selection, shown = context.selection, [self.seen, self.title, self.waiting]
        context.on_selection(self.draw, shown)
        context.on_tick(self.poll, [selection, self.seen], shown)
        context.on(self.waiting.click, act_on_queue, [selection], selection, show_progress="hidden")

    def draw(self, context: Context, selection: Selection) -> Shown:
        waiting = _queue(context, selection)
        names = {p.project_id: p.name for p in context.projects(selection)}
        shown = [_waiting_card(w, names[w.project_id]) for w in waiting]
        heading = part(say("queue.title")) + note(say("queue.note")) if shown else ""
        return {self.seen: str(shown), self.title: heading, self.waiting: shown}

    def poll(self, context: Context, selection: Selection, seen: str) -> Shown:
        return unless_seen(self.draw(context, selection), self.seen, seen)


def act_on_queue(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    """A card opens its run; its buttons move it or take it out. Only runs of the visitor are found."""
    run_dir = context.run_dir(selection.with_run(str(event.id)))
    if run_dir is None:
        return selection.touched()
    folder, act = RunFolder(run_dir), str(event.act)
    if act == "open":
        return selection.with_run(folder.run_id)
    if act == "out":
        cancel_run(folder)
        return selection.touched()
    place = next((w.place for w in _queue(context, selection) if w.run_id == folder.run_id), 1)
    move_run(folder, {"first": 1, "up": place - 1, "down": place + 1}[act])
    return selection.touched()


def _queue(context: Context, selection: Selection) -> list[Waiting]:
    if not RunQueue(context.workspace.root).waiting():
        return []
    return list_queue(context.workspace.root, {p.project_id for p in context.projects(selection)})


def _waiting_card(waiting: Waiting, project: str) -> dict[str, Any]:
    holder = waiting.holder or {}
    behind = say("queue.behind", name=holder["name"]) if holder.get("name") else ""
    actions = [
        {"id": waiting.run_id, "act": act, "label": sign, "hint": say(f"queue.{act}")}
        for act, sign in (("first", "⇈"), ("up", "↑"), ("down", "↓"), ("out", "✕"))
        if waiting.place > 1 or act in ("down", "out")
    ]
    return card(
        waiting.run_id,
        f"{waiting.place} · {waiting.name}",
        meta=" · ".join(part for part in (project, waiting.device, behind) if part),
        actions=actions,
    )

"""Who else is using the device that answers are written on."""

from __future__ import annotations

import gradio as gr

from app.drawing.markup import bullets
from app.shell.context import Context
from app.shell.device_user import word_holder
from app.shell.redraw import Shown, unless_seen
from app.shell.selection import Selection
from app.texts import say


class DevicePanel:
    def __init__(self, context: Context) -> None:
        self.held, self.seen = gr.HTML(elem_id="try-device"), gr.State("")
        context.on_selection(self.draw, [self.held, self.seen])
        context.on_tick(self.poll, [context.selection, self.seen], [self.held, self.seen])

    def draw(self, context: Context, selection: Selection) -> Shown:
        holder = word_holder(context, selection) if context.trained_run(selection) else ""
        said = say("device.slower", holder=holder) if holder else ""
        return {self.held: bullets([("info", said)]) if said else "", self.seen: said}

    def poll(self, context: Context, selection: Selection, seen: str) -> Shown:
        return unless_seen(self.draw(context, selection), self.seen, seen)

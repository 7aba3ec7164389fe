"""One panel or screen without the page around it: its handlers are called as methods, and asked what they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from app.shell.context import Context
from app.shell.selection import Selection
from app.texts.words import Words

P = TypeVar("P")


def build_panel(panel: Callable[..., P], context: Context, *given: Any) -> P:
    """The panel, with the components that all screens share in the context. `given`: what else it is built with."""
    context.words = Words()
    context.polls, context.redraws, context.presets = [], {}, {}
    with gr.Blocks() as context.page:
        context.selection, context.plan = gr.State(Selection()), gr.State("")
        context.open_screen, context.clock = gr.State(""), gr.Timer(60)
        with gr.Tabs() as context.tabs, gr.Tab():
            return panel(context, *given)

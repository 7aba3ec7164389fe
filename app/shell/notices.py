"""Short notices in the corner of the page. Gradio titles them in English whatever is given; see
`app/frame/head.py`."""

from __future__ import annotations

import gradio as gr

from app.drawing.markup import esc


def tell(text: str, seconds: float = 4) -> None:
    """Something has been done. The text may hold names of users: it is escaped, since a toast shows HTML."""
    gr.Info(esc(text), duration=seconds)

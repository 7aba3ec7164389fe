"""Short notices in the corner of the page, titled in the user's language (Gradio would title them in English)."""

from __future__ import annotations

import gradio as gr

from app.markup import esc
from app.texts import say


def tell(language: str, text: str, seconds: float = 4) -> None:
    """Something has been done. The text may hold names of users: it is escaped, since a toast shows HTML."""
    gr.Info(esc(text), title=say(language, "done.title"), duration=seconds)

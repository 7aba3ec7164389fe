"""How answers come about: temperature, top-p, longest answer, seed, refining, precision, written freely, blind."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.texts.words import Key, Words
from core.chat.protocol import MAX_ROUNDS, PRECISIONS


class SettingsPanel:
    """`fields` in the order of `columns.read_settings`, then blind."""

    def __init__(self, words: Words) -> None:
        with gr.Column(elem_id="try-settings"):
            with gr.Row():
                self.temperature = words(
                    gr.Slider, minimum=0, maximum=1.5, step=0.1, value=0, **_said("temperature")
                )
                self.top_p = words(gr.Slider, minimum=0.05, maximum=1, step=0.05, value=1, **_said("top_p"))
                self.longest = words(gr.Number, precision=0, value=None, **_said("longest"))
                self.seed = words(gr.Number, precision=0, value=0, **_said("seed"))
            with gr.Row():
                precisions = [(Key(f"try.precision_{name}"), name) for name in PRECISIONS]
                self.refine = words(gr.Slider, minimum=0, maximum=MAX_ROUNDS, step=1, value=0, **_said("refine"))
                self.precision = words(gr.Dropdown, choices=precisions, value=PRECISIONS[0], **_said("precision"))
                self.free = words(gr.Checkbox, value=False, **_said("free"))
                self.blind = words(gr.Checkbox, value=False, **_said("blind"))

    @property
    def fields(self) -> list[Any]:
        drawn = [self.temperature, self.top_p, self.longest, self.seed]
        return [*drawn, self.refine, self.precision, self.free, self.blind]


def _said(name: str) -> dict[str, Any]:
    return {"label": Key(f"try.{name}"), "info": Key(f"try.{name}_help"), "elem_id": f"try-{name}"}

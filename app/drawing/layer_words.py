"""Plain names of layers in the language of the request; technical names stand in a fold."""

from __future__ import annotations

from collections.abc import Sequence

from app.drawing.markup import esc, fold
from app.texts import say, word_error
from core.insight.layer_names import name_layer


def word_layer(name: str, names: Sequence[str]) -> str:
    """'model.layers.5.self_attn.o_proj' -> 'block 6 of 30, attention output'; see `name_layer`."""
    told = name_layer(name, names)
    return word_error(told.key, told.values)[0]


def technical_name(name: str) -> str:
    """A fold with the layer's path in the model."""
    return fold(say("layer.technical"), f"<code>{esc(name)}</code>")

"""Layers have plain names in headings; what they are called in the model stands in a fold."""

from __future__ import annotations

import pytest

from app.drawing.layer_words import technical_name, word_layer
from app.texts.language import speaking

LLAMA = [f"model.layers.{i}.{leaf}" for i in (28, 29) for leaf in ("self_attn.o_proj", "mlp.down_proj")]
T5 = ["encoder.block.0.layer.0.SelfAttention.q", "decoder.block.3.layer.1.EncDecAttention.o"]
GPT2 = ["transformer.h.0.attn.c_proj", "transformer.h.11.mlp.c_proj head 2"]


@pytest.mark.parametrize(
    ("name", "names", "told"),
    [
        (LLAMA[0], LLAMA, "block 29 of 30, attention output"),  # adapters in the upper blocks only
        (LLAMA[3], LLAMA, "block 30 of 30, feed-forward output"),
        (T5[0], T5, "encoder block 1 of 1, attention queries"),
        (T5[1], T5, "decoder block 4 of 4, attention output (attention to the question)"),
        (GPT2[0], GPT2, "block 1 of 12, attention output"),
        (GPT2[1], GPT2, "block 12 of 12, feed-forward output, routing head 2"),
        ("model.layers.4", ["model.layers.3", "model.layers.4"], "block 5 of 5"),  # one allocation a block
        ("m.1.unheard_of", ["m.0.q", "m.1.unheard_of"], "block 2 of 2"),
        ("l1", ["l0", "l1"], "layer 2 of 2"),
    ],
)
def test_a_layer_is_told_by_its_block_and_its_part(name: str, names: list[str], told: str) -> None:
    with speaking("en"):
        assert word_layer(name, names) == told
    with speaking("zh"):
        assert "block" not in word_layer(name, names)
    assert f"<code>{name}</code>" in technical_name(name)

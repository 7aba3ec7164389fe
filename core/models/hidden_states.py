"""What a base model makes of a text before any adapter: the last hidden states of its tokens, for routers.

Shapes: n tokens of a text, d the model's width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from core.models.batching import Collator
from core.models.loading import LoadedBase
from core.tasks.encoding import Encoded, cut_middle

MOST_TOKENS = 96  # of a text, half from its beginning and half from its end
_TOGETHER = 32  # texts of a pass


@torch.no_grad()
def read_states(base: LoadedBase, texts: Sequence[str]) -> list[Tensor]:
    """[n, d] of every text, float32 on the processor. `base` carries no adapter; an encoder-decoder's are those of
    its encoder. A text without a token counts as its end."""
    end = base.tokenizer.eos_token_id or 0
    ids = [_tokens(base.tokenizer, text) or [end] for text in texts]
    states: list[Tensor] = [torch.empty(0)] * len(texts)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))  # neighbours need little padding
    for places, found in _passes(base, ids, order):
        for place, row in zip(places, found, strict=True):
            states[place] = row[: len(ids[place])].clone()
    return states


def _passes(base: LoadedBase, ids: list[list[int]], order: list[int]) -> Iterator[tuple[list[int], Tensor]]:
    reader: Any = base.model.get_encoder() if base.architecture == "encoder_decoder" else base.model.base_model
    collate, more = Collator(base.tokenizer.pad_token_id or 0), {}
    if base.architecture == "decoder":
        more["use_cache"] = False
    for start in range(0, len(order), _TOGETHER):
        places = order[start : start + _TOGETHER]
        batch = collate([Encoded(ids[place]) for place in places])
        given = {name: batch[name].to(base.model.device) for name in ("input_ids", "attention_mask")}
        yield places, reader(**given, **more).last_hidden_state.float().cpu()


def _tokens(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return cut_middle(found, MOST_TOKENS)[0]

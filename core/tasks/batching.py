"""The only place where text becomes tensors: padding, labels for the loss, length-bucketed batches.

Shapes: B examples of a batch, N tokens (padded to a multiple of 8).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from core.tasks.encoding import (
    IGNORED,
    Encoded,
    answer_ids,
    cut_middle,
    encode_example,
    encode_prompt,
    encode_task,
)

__all__ = [
    "IGNORED", "Collator", "Encoded", "answer_ids", "cut_middle", "encode_example", "encode_prompt", "encode_task",
    "padded_length", "padding_share", "plan_batches",
]

PAD_MULTIPLE = 8


@dataclass(frozen=True)
class Collator:
    """Pads encoded examples on the right to one length, a multiple of 8.

    Gives input_ids, attention_mask and labels of shape [B, N] and task_ids [B]; an encoder-decoder's labels have
    their own length.
    """

    pad_id: int
    architecture: str = "decoder"

    def __call__(self, batch: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        inputs = [e.input_ids for e in batch]
        width = padded_length(max(map(len, inputs)))
        lengths = torch.tensor([len(ids) for ids in inputs])
        found = {
            "input_ids": _padded(inputs, self.pad_id, width),
            "attention_mask": (torch.arange(width)[None, :] < lengths[:, None]).long(),
            "task_ids": torch.tensor([e.task_id for e in batch]),
        }
        labels = [e.labels for e in batch]
        if any(labels):
            own = self.architecture == "encoder_decoder"
            label_width = padded_length(max(map(len, labels))) if own else width
            found["labels"] = _padded(labels, IGNORED, label_width)
        return found


def padded_length(length: int) -> int:
    return -(-length // PAD_MULTIPLE) * PAD_MULTIPLE


def _padded(rows: Sequence[list[int]], value: int, width: int) -> torch.Tensor:
    return torch.tensor([row + [value] * (width - len(row)) for row in rows], dtype=torch.long)


def plan_batches(
    lengths: Sequence[int], tasks: Sequence[int], batch_size: int, seed: int, window: int = 50
) -> list[list[int]]:
    """Deals the examples of an epoch (already mixed) into batches of like lengths.

    Within a window of `window` batches, examples are ordered by padded length, tasks drawn at random among equals;
    the batches of all windows are then shuffled. Padding falls from about 60 % to a few per cent while every batch
    holds several tasks. Every index comes exactly once; only one batch may be smaller.

    Args:
        lengths: tokens of each example, `tasks` its task index, both in the epoch's order.
    """
    if len(lengths) != len(tasks):
        raise ValueError("lengths and tasks must be of one length")
    rng = random.Random(seed)
    batches: list[list[int]] = []
    for start in range(0, len(lengths), batch_size * window):
        block = list(range(start, min(start + batch_size * window, len(lengths))))
        rng.shuffle(block)
        block.sort(key=lambda i: padded_length(lengths[i]))
        batches += [block[i : i + batch_size] for i in range(0, len(block), batch_size)]
    rng.shuffle(batches)
    return batches


def padding_share(batches: Sequence[Sequence[int]], lengths: Sequence[int]) -> float:
    """Share of padding among all tokens of the planned batches."""
    used = sum(lengths[i] for batch in batches for i in batch)
    laid = sum(padded_length(max(lengths[i] for i in batch)) * len(batch) for batch in batches if batch)
    return 1 - used / laid if laid else 0.0

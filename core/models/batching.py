"""The only place where text becomes tensors: padding, labels for the loss, parts of like length.

Shapes: B examples of a batch, N tokens (padded to a multiple of 8).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from core.tasks.encoding import IGNORED, Encoded

T = TypeVar("T")

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


def split_by_length(lengths: Sequence[int], part_cost: int) -> list[list[int]]:
    """Cuts a batch into parts of like length, shortest first, so that little is padded: indices into `lengths`.

    A batch drawn at random is padded to its longest row, which is up to two thirds of the work. Batches of rows of
    one length would save that and change what is learned: a step would see few tasks and one kind of row. So the
    batch stays as drawn and only its computation is cut up; the parts' gradients add up to the batch's.

    Of all cuts of the sorted rows, the one with the fewest padded tokens plus `part_cost` tokens a part is taken
    (dynamic programming over the number of rows).
    """
    if not lengths:
        return []
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    padded = [padded_length(lengths[i]) for i in order]
    costs, cuts = [0], [0]  # least cost of the first n rows, and where their last part begins
    for end in range(1, len(order) + 1):
        options = [costs[start] + part_cost + padded[end - 1] * (end - start) for start in range(end)]
        costs.append(min(options))
        cuts.append(options.index(costs[-1]))
    parts: list[list[int]] = []
    end = len(order)
    while end:
        parts.append(order[cuts[end] : end])
        end = cuts[end]
    return parts[::-1]


def cut_by_tokens(items: Sequence[T], length: Callable[[T], int], most: int) -> list[list[T]]:
    """The items sorted by length, cut into parts of about equal token counts, at most `most` each (an item that is
    longer stands alone)."""
    rows = sorted(items, key=length)
    total = sum(map(length, rows))
    share = total / -(-total // most) if total else 0.0
    parts: list[list[T]] = []
    filled = 0
    for row in rows:
        size = length(row)
        if not parts or filled >= share or filled + size > most:
            parts.append([])
            filled = 0
        parts[-1].append(row)
        filled += size
    return parts

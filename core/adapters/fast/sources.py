"""How an input can be made again in the backward pass, so that no second copy of it is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from core.adapters.call import current_call, has_call


class Source(NamedTuple):
    """How to make a tensor again: make(*tensors)."""

    make: Callable[..., Tensor]
    tensors: tuple[Tensor, ...]


class Sources:
    """What the layers of a call are told about the input they read next. One offer is held at a time: a tensor kept
    here for longer would cost what the source is to save."""

    def __init__(self) -> None:
        self._offered: tuple[Tensor, Source] | None = None

    def offer(self, x: Tensor, source: Source) -> None:
        self._offered = (x, source)

    def find(self, x: Tensor) -> Source | None:
        return self._offered[1] if self._offered is not None and self._offered[0] is x else None


def offer_source(x: Tensor, source: Source) -> None:
    """Tells the layers that read `x` next where it came from, if the call takes the fast path."""
    if not (has_call() and torch.is_grad_enabled()):
        return
    fast = current_call().fast
    if isinstance(fast, Sources):
        fast.offer(x, source)

"""Chains of small operations in the frozen blocks, each of which a card can run as one compiled kernel.

Beside its matrix products a frozen block is norms, gates and turned positions: dozens of launches of small kernels
forward and back. A `Chain` is a pure function of tensors that computes such a piece. It is called as it is written;
a training on a card may have all of them compiled (core/training/card_paths.py), in its own process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

CHAINS: list[Chain] = []
Example = Callable[[torch.dtype, torch.device], tuple[Any, ...]]


class Chain:
    """A pure function of tensors, called as it is written or compiled. `example` makes arguments of the kind that
    training gives, in a number type on a device."""

    def __init__(self, plain: Callable[..., Any], example: Example) -> None:
        self.plain = self.run = plain
        self.example = example
        CHAINS.append(self)

    def __call__(self, *arguments: Any) -> Any:
        if self.run is self.plain:
            return self.plain(*arguments)
        # Chains are called inside autograd functions: what a tensor hangs on is no business of a compiler.
        return self.run(*(given.detach() if isinstance(given, torch.Tensor) else given for given in arguments))


def chain(example: Example) -> Callable[[Callable[..., Any]], Chain]:
    """Makes a pure function one that can be compiled."""
    return lambda plain: Chain(plain, example)


def compile_chains(backend: str) -> None:
    """From now on this process runs every chain as the backend makes it, when it is first called with a kind of
    arguments."""
    for one in CHAINS:
        one.run = torch.compile(one.plain, backend=backend)


def plain_chains() -> None:
    """From now on every chain runs as it is written."""
    for one in CHAINS:
        one.run = one.plain

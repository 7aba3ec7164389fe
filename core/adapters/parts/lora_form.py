"""A task's mixture of skills as one low-rank pair, with which it leaves as a standard LoRA.

Shapes: S skills, r rank, i inputs, o outputs, H routing heads.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def lora_of_sum(down: Tensor, up: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """One low-rank pair (A [K, i], B [o, K]) equal to the sum form; K = rank times the skills with a weight.

    down [S, r, i], up [S, o, r], weights [H, S].
    """
    active = weights.ne(0).any(0)
    down, up, weights = down[active], up[active], weights[:, active]
    blocks = up.unflatten(1, (weights.shape[0], -1))
    scaled = torch.einsum("HS,SHor->HoSr", weights, blocks).flatten(0, 1).flatten(1)
    return down.flatten(0, 1), scaled


def skill_products(down: Tensor, up: Tensor, heads: int) -> Iterator[Tensor]:
    """For each routing head [S, S]: <B A, B' A'> = sum((B^T B') * (A A'^T)) of every two skills in the sum form, B
    the head's block of outputs. down [S, r, i], up [S, o, r]."""
    skills, rank = down.shape[:2]
    rows = down.flatten(0, 1)
    inputs = rows @ rows.T
    for block in up.unflatten(1, (heads, -1)).unbind(1):
        columns = block.transpose(1, 2).flatten(0, 1)
        yield ((columns @ columns.T) * inputs).view(skills, rank, skills, rank).sum((1, 3))


def lora_of_mix(down: Tensor, up: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """One low-rank pair (A [r, i], B [o, r]) equal to the mix form, its 1/r included."""
    heads, rank = weights.shape[0], down.shape[1]
    mixed_down = torch.einsum("HS,SrHi->rHi", weights, down.unflatten(2, (heads, -1))).flatten(1)
    mixed_up = torch.einsum("HS,SHor->Hor", weights, up.unflatten(1, (heads, -1))).flatten(0, 1)
    return mixed_down, mixed_up / rank

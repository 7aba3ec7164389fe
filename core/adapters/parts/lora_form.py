"""A task's mixture of skills as one low-rank pair, with which it leaves as a standard LoRA.

Shapes: S skills, r rank, i inputs, o outputs, H routing heads.
"""

from __future__ import annotations

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


def lora_of_mix(down: Tensor, up: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """One low-rank pair (A [r, i], B [o, r]) equal to the mix form, its 1/r included."""
    heads, rank = weights.shape[0], down.shape[1]
    mixed_down = torch.einsum("HS,SrHi->rHi", weights, down.unflatten(2, (heads, -1))).flatten(1)
    mixed_up = torch.einsum("HS,SHor->Hor", weights, up.unflatten(1, (heads, -1))).flatten(0, 1)
    return mixed_down, mixed_up / rank

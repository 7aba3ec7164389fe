"""The adapter term of a group of linear layers: the readable definition and the fast path.

Shapes: R rows of the batch (examples, or examples times beams), n tokens, i inputs, o_k outputs of layer k, G
layers of the group, S gathered skills, r rank, m rows of weights, H routing heads, W [G, H, m, S] mixing weights.

    sum:  y_k = x W0_k^T + sum_s W[k, t, s] (x A_s^T) B_s^T
    mix:  y_k = x W0_k^T + (1/r) (x (sum_s W[k, t, s] A_s)^T) (sum_s W[k, t, s] B_s)^T
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.adapters.parts.bank import GroupFactors


@dataclass(eq=False)
class Mixture:
    """What a group needs in one call: factors, weights [G, H, m, S], and the row of weights of each example [b]."""

    factors: GroupFactors
    weights: Tensor
    slots: Tensor
    combine: str


def plain_deltas(x: Tensor, mixture: Mixture, rows: Tensor) -> list[Tensor]:
    """The definition, layer by layer; `rows` [R] chooses the weights of each row of x [R, n, i]."""
    form = _plain_sum if mixture.combine == "sum" else _plain_mix
    outputs = []
    for k, up in enumerate(mixture.factors.up):
        down = mixture.factors.down[:, k]
        outputs.append(form(x, down, up, mixture.weights[k].index_select(1, rows)))
    return outputs


def _plain_sum(x: Tensor, down: Tensor, up: Tensor, weights: Tensor) -> Tensor:
    """down [S, r, i], up [S, o, r], weights [H, R, S]. With H routing heads the outputs are H blocks."""
    hidden = torch.einsum("Rni,Sri->RnSr", x, down)
    blocks = up.unflatten(1, (weights.shape[0], -1))
    return torch.einsum("RnSr,HRS,SHor->RnHo", hidden, weights, blocks).flatten(2)


def _plain_mix(x: Tensor, down: Tensor, up: Tensor, weights: Tensor) -> Tensor:
    """With H routing heads the inputs and the outputs are H blocks (MHR, arXiv 2211.03831, section 3)."""
    heads, rank = weights.shape[0], down.shape[1]
    mixed_down = torch.einsum("HRS,SrHi->RrHi", weights, down.unflatten(2, (heads, -1))).flatten(2)
    mixed_up = torch.einsum("HRS,SHor->RHor", weights, up.unflatten(1, (heads, -1))).flatten(1, 2)
    hidden = torch.einsum("Rni,Rri->Rnr", x, mixed_down)
    return torch.einsum("Rnr,Ror->Rno", hidden, mixed_up) / rank


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

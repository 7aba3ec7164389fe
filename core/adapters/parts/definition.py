"""The adapter term of a group of linear layers: the readable definition.

Shapes: R rows of the batch (examples, or examples times beams), n tokens, i inputs, o_k outputs of layer k, G
layers of the group, S gathered skills, r rank, m rows of weights, H routing heads, W [G, H, m, S] mixing weights.

    sum:  y_k = x W0_k^T + sum_s W[k, t, s] (x A_s^T) B_s^T
    mix:  y_k = x W0_k^T + (1/r) (x (sum_s W[k, t, s] A_s)^T) (sum_s W[k, t, s] B_s)^T
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.adapters.parts.bank import Gathered, GroupFactors, GroupShape


@dataclass(frozen=True)
class SkillCounts:
    """A common and B private skills, H routing heads, and whether the private weights are learned."""

    common: int
    private: int
    heads: int = 1
    learnable: bool = False


@dataclass(eq=False)
class Mixture:
    """What a group needs in one call: factors, weights [G, H, m, S], and the row of weights of each example [b]."""

    factors: GroupFactors
    weights: Tensor
    slots: Tensor
    combine: str


@dataclass(eq=False)
class SkillState(Gathered):
    """What one call needs in every group.

    weights [L, H, m, S]: layers, routing heads, rows of weights, skills; slots [b]: the row of each example,
    task_slots [b] its task among those present, None where an example is a mixture of tasks.
    """

    shapes: list[GroupShape]
    weights: Tensor
    slots: Tensor
    combine: str
    counts: SkillCounts
    task_slots: Tensor | None

    def mixture(self, group: int) -> Mixture:
        members = self.shapes[group].members
        first, last = members[0], members[-1]
        neighbours = members == tuple(range(first, last + 1))
        chosen = self.weights[first : last + 1] if neighbours else self.weights[list(members)]
        return Mixture(self.factors[group], chosen, self.slots, self.combine)


def plain_deltas(x: Tensor, mixture: Mixture, rows: Tensor) -> list[Tensor]:
    """Layer by layer; `rows` [R] chooses the weights of each row of x [R, n, i]."""
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

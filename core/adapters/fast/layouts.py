"""The skills of a call laid out for the fast path: which factors stand side by side, and what scales their columns.

Shapes: b examples, G layers of a group, S skills, r rank, m rows of weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.adapters.fast.fused import Fused, fuse_by_task, fuse_mixed, fuse_stacked, spread
from core.adapters.parts.bank import GroupFactors
from core.adapters.parts.definition import SkillState

# More columns than this for a layer, and one set of factors for each example is cheaper than all side by side.
WIDEST_STACK = 32


def lay_out(state: SkillState, stack: bool) -> list[Fused]:
    """The layout of every group; `stack`: side by side, however many skills there are."""
    if state.combine == "mix" or state.weights.shape[1] > 1:
        return [fuse_mixed(state.mixture(group)) for group in range(len(state.shapes))]
    rank = state.factors[0].down.shape[2]
    order = [member for shape in state.shapes for member in shape.members]
    weights = state.weights[:, 0]
    # Groups usually lie in the order of the layers; then the weights need no copy.
    if order != sorted(order):
        weights = weights.index_select(0, torch.tensor(order).to(weights.device, non_blocking=True))
    sizes = [len(shape.members) for shape in state.shapes]
    own = state.counts.private and not state.counts.learnable and state.task_slots is not None
    if weights.shape[2] * rank > WIDEST_STACK and own and not stack:
        return _lay_out_by_task(state, weights.index_select(1, state.slots), sizes, rank)
    scales = spread(weights, rank).transpose(0, 1).split(sizes, 1)
    pairs = zip(state.factors, scales, strict=True)
    return [fuse_stacked(factors, scale, state.slots) for factors, scale in pairs]


def _lay_out_by_task(state: SkillState, weights: Tensor, sizes: list[int], rank: int) -> list[Fused]:
    """weights [L, b, S]; of the private ones an example keeps those of its own task."""
    common, private = state.counts.common, state.counts.private
    assert state.task_slots is not None  # the caller has looked
    places = common + state.task_slots[:, None] * private + torch.arange(private, device=weights.device)
    own = weights.gather(2, places.expand(len(weights), -1, -1))
    scales = spread(torch.cat([weights[..., :common], own], -1), rank).transpose(0, 1).split(sizes, 1)
    pairs = zip(state.factors, scales, strict=True)
    return [fuse_by_task(factors, scale, common, private, state.task_slots) for factors, scale in pairs]


def lay_out_gated(factors: GroupFactors, gates: Tensor) -> Fused:
    """All skills of a group side by side, weighted token by token: gates [b, n, G, S]."""
    skills, layers, rank, _ = factors.down.shape
    down = factors.down.transpose(0, 1).reshape(layers * skills * rank, -1)
    up = [u.transpose(1, 2).reshape(skills * rank, -1) for u in factors.up]
    return Fused(down, up, spread(gates, rank), None)

"""The fast path of low-rank skills: one autograd function for all linear layers that read one input.

    h   = x [A_1; ..; A_S]^T          one product for the whole group
    y_k = x W0_k^T + (h_k * scale) [B_1, .., B_S]^T    added into the base product's output

Only x and h [N, G*K] are kept for the backward pass, which adds into one buffer for dL/dx. The result equals
`core.adapters.kernels.plain_deltas`; a test holds the two together.

Shapes: R batch rows, n tokens, N = R*n, i inputs, o_k outputs, G layers, K columns of a layer (K = S*r where the
skills stand side by side), m rows of weights. "Stacked" factors [G*K, i] serve every row of the batch and `scale`
[R, G*K] chooses; "batched" factors [m, G*K, i] are one set for each row of weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.adapters.bank import GroupFactors
from core.adapters.kernels import Mixture

# More columns than this for a layer, and one set of factors for each example is cheaper than all side by side.
WIDEST_STACK = 32


@dataclass(eq=False)
class Fused:
    """A group's factors ready for the products: down [G*K, i] or [m, G*K, i], up [K, o_k] or [m, K, o_k], scale
    [b, G, K] (or [b, n, G, K], by token) or None, rows [b] (which set of batched factors) or None when stacked.
    """

    down: Tensor
    up: list[Tensor]
    scale: Tensor | None
    rows: Tensor | None

    def repeated(self, times: int) -> Fused:
        """For `times` rows an example, as beams need."""
        if times == 1:
            return self
        scale = None if self.scale is None else self.scale.repeat_interleave(times, 0)
        rows = None if self.rows is None else self.rows.repeat_interleave(times, 0)
        return Fused(self.down, self.up, scale, rows)


def spread(weights: Tensor, rank: int) -> Tensor:
    """[.., S] -> [.., S*r]: a skill's weight for each of its columns."""
    return weights[..., None].expand(*weights.shape, rank).flatten(-2)


def fuse_stacked(factors: GroupFactors, scale: Tensor, slots: Tensor) -> Fused:
    """Sum form: the skills of a group side by side. scale [m, G, K]: the weights of every column."""
    down, up = factors.down, factors.up
    skills, layers, rank, _ = down.shape
    flat_down = down.transpose(0, 1).reshape(layers * skills * rank, -1)
    flat_up = [u.transpose(1, 2).reshape(skills * rank, -1) for u in up]
    if scale.shape[0] == 1 and not torch.is_grad_enabled():
        # One task and no gradient: the weights go into the factors once, decoding then costs what a LoRA costs.
        return Fused(flat_down, [u * s[:, None] for u, s in zip(flat_up, scale[0], strict=True)], None, None)
    return Fused(flat_down, flat_up, scale.index_select(0, slots), None)


def fuse_by_task(factors: GroupFactors, scale: Tensor, common: int, private: int, slots: Tensor) -> Fused:
    """Sum form with many tasks in a batch: the common skills and a task's own, one set for each of the R tasks
    present.

    scale [b, G, (A+B)*r]; slots [b]: the task of each example among the R.
    """
    active = common + private

    def by_task(stacked: Tensor) -> Tensor:
        own = stacked[common:].unflatten(0, (-1, private))
        return torch.cat([stacked[:common].expand(len(own), *stacked[:common].shape), own], 1)

    down = by_task(factors.down).transpose(1, 2).flatten(1, 3)
    up = [by_task(u).transpose(2, 3).reshape(-1, active * u.shape[2], u.shape[1]) for u in factors.up]
    return Fused(down, up, scale, slots)


def fuse_mixed(mixture: Mixture) -> Fused:
    """Forms whose weights go into the factors: mix, and sum with routing heads. One set for each row of weights."""
    return _fuse_mix(mixture) if mixture.combine == "mix" else _fold_heads(mixture)


def _fold_heads(mixture: Mixture) -> Fused:
    """Sum form with routing heads: the weights differ by block of outputs, so they go into the upper factors."""
    down, weights = mixture.factors.down, mixture.weights
    skills, layers, rank, _ = down.shape
    flat_down = down.transpose(0, 1).reshape(layers * skills * rank, -1)
    heads = weights.shape[1]
    up = [
        torch.einsum("HmS,SHor->mSrHo", weights[k], u.unflatten(1, (heads, -1))).flatten(3).flatten(1, 2)
        for k, u in enumerate(mixture.factors.up)
    ]
    return _stack_or_batch(flat_down.expand(weights.shape[2], -1, -1), up, mixture.slots, layers)


def _fuse_mix(mixture: Mixture) -> Fused:
    weights, down = mixture.weights, mixture.factors.down
    layers, heads, rows, _ = weights.shape
    rank = down.shape[2]
    mixed_down = torch.einsum("GHmS,SGrHi->mGrHi", weights, down.unflatten(3, (heads, -1))).flatten(3)
    up = [
        torch.einsum("HmS,SHor->mrHo", weights[k] / rank, u.unflatten(1, (heads, -1))).flatten(2)
        for k, u in enumerate(mixture.factors.up)
    ]
    return _stack_or_batch(mixed_down.reshape(rows, layers * rank, -1), up, mixture.slots, layers)


def _stack_or_batch(down: Tensor, up: list[Tensor], slots: Tensor, layers: int) -> Fused:
    """down [m, G*K, i], up [m, K, o_k]: one set of factors for each row of weights."""
    if down.shape[0] == 1:
        return Fused(down[0], [u[0] for u in up], None, None)
    return Fused(down, up, None, slots)


def run_fused(x: Tensor, fused: Fused, linears: list[nn.Module]) -> list[Tensor]:
    """Outputs of the layers of a group for x [R, n, i], base and adapter together."""
    weights = [linear.weight for linear in linears]
    biases = [linear.bias for linear in linears]
    down, up = fused.down, fused.up
    if fused.rows is not None:
        down = down.index_select(0, fused.rows)
        up = [u.index_select(0, fused.rows) for u in up]
    scale = fused.scale
    if scale is not None and scale.dim() == 3:
        scale = scale[:, None]
    return list(_GroupLinear.apply(x, down, scale, *weights, *biases, *up))


def fits(x: Tensor, fused: Fused, linears: list[nn.Module]) -> bool:
    """The fast path wants plain linear layers, three axes and one number type; elsewhere the definition serves."""
    if x.dim() != 3 or torch.is_autocast_enabled(x.device.type):
        return False
    return all(type(layer) is nn.Linear and layer.weight.dtype == x.dtype == fused.down.dtype for layer in linears)


class _GroupLinear(torch.autograd.Function):
    """apply(x, down, scale, *weights, *biases, *up) -> outputs of the G layers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, down: Tensor, scale: Tensor | None, *tensors: Tensor | None) -> Any:
        count = len(tensors) // 3
        weights, biases, up = tensors[:count], tensors[count : 2 * count], tensors[2 * count :]
        hidden = _times_transposed(x, down)
        scaled = _scale(hidden, scale)
        outputs = []
        for k, part in enumerate(scaled.chunk(count, 2)):
            base = F.linear(x, weights[k], biases[k])  # type: ignore[arg-type]
            outputs.append(_add_product(base, part, up[k]))  # type: ignore[arg-type]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, down, scale, hidden, *weights, *up)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        x, down, scale, hidden, *rest = ctx.saved_tensors
        count = len(grads)
        weights, up = rest[:count], rest[count:]
        wants_up = ctx.needs_input_grad[3 + 2 * count :]
        scaled = _scale(hidden, scale).chunk(count, 2)
        dscaled = torch.zeros_like(hidden) if any(g is None for g in grads) else torch.empty_like(hidden)
        dx: Tensor | None = None
        dup: list[Tensor | None] = [None] * count
        for k, (grad, part) in enumerate(zip(grads, dscaled.chunk(count, 2), strict=True)):
            if grad is None:
                continue
            part.copy_(_times_transposed(grad, up[k]))
            if wants_up[k]:
                dup[k] = _outer(scaled[k], grad, up[k])
            if ctx.needs_input_grad[0]:
                dx = grad @ weights[k] if dx is None else _add_product(dx, grad, weights[k])
        dscale = _scale_gradient(dscaled, hidden, scale) if ctx.needs_input_grad[2] else None
        dhidden = _scale(dscaled, scale)
        ddown = _outer(dhidden, x, down) if ctx.needs_input_grad[1] else None
        if ctx.needs_input_grad[0] and dx is not None:
            dx = _add_product(dx, dhidden, down)
        return (dx, ddown, dscale, *[None] * (2 * count), *dup)


def _scale(hidden: Tensor, scale: Tensor | None) -> Tensor:
    """hidden [R, n, G*K] times scale [R, 1 or n, G, K]."""
    return hidden if scale is None else (hidden.unflatten(2, scale.shape[2:]) * scale).flatten(2)


def _scale_gradient(dscaled: Tensor, hidden: Tensor, scale: Tensor) -> Tensor:
    """dL/dscale [R, 1 or n, G, K]: one scale for all tokens of a row, or one for each token."""
    product = (dscaled * hidden).unflatten(2, scale.shape[2:])
    return product.sum(1, keepdim=True) if scale.shape[1] == 1 else product


def _times_transposed(x: Tensor, factor: Tensor) -> Tensor:
    """x [R, n, i] times factor^T; factor [K, i] or [R, K, i]."""
    return x @ factor.transpose(-1, -2)


def _add_product(total: Tensor, x: Tensor, factor: Tensor) -> Tensor:
    """total [R, n, o] += x [R, n, K] factor, in place; factor [K, o] or [R, K, o]."""
    if factor.dim() == 3:
        return total.baddbmm_(x, factor)
    total.view(-1, total.shape[-1]).addmm_(x.reshape(-1, x.shape[-1]), factor)
    return total


def _outer(left: Tensor, right: Tensor, factor: Tensor) -> Tensor:
    """Gradient of a factor: left^T right, summed over all tokens, or by batch row for batched factors."""
    if factor.dim() == 3:
        return left.transpose(1, 2) @ right
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])


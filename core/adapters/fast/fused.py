"""The fast path of low-rank skills: one autograd function for all linear layers that read one input.

    h   = x [A_1; ..; A_S]^T          one product for the whole group
    y_k = x W0_k^T + (h_k * scale) [B_1, .., B_S]^T    added into the base product's output

Only x (or what it is made from, core/adapters/fast/sources.py) and h [N, G*K] are kept for the backward
pass, which adds into one buffer for dL/dx. The result equals `core.adapters.parts.definition.plain_deltas`; a test
holds the two together.

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

from core.adapters.fast.bfloat16_linears import HalfLinear
from core.adapters.fast.sources import Source
from core.adapters.parts.bank import GroupFactors
from core.adapters.parts.definition import Mixture


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


def run_fused(x: Tensor, fused: Fused, linears: list[nn.Module], source: Source | None = None) -> list[Tensor]:
    """Outputs of the layers of a group for x [R, n, i], base and adapter together, in the number type of x.

    With `source` x is made again in the backward pass and not kept.
    """
    weights = [linear.weight for linear in linears]
    biases = [linear.bias for linear in linears]
    down, up = fused.down, fused.up
    if fused.rows is not None:
        down = down.index_select(0, fused.rows)
        up = [u.index_select(0, fused.rows) for u in up]
    scale = fused.scale
    # One weight for all tokens of a row.
    if scale is not None and scale.dim() == 3:
        scale = scale[:, None]
    outputs = _GroupLinear.apply(x.to(down.dtype), down, scale, source, *weights, *biases, *up)
    return [output.to(x.dtype) for output in outputs]


def fits(x: Tensor, fused: Fused, linears: list[nn.Module]) -> bool:
    """The fast path wants plain linear layers, three axes and one number type (bfloat16 products convert it first);
    elsewhere the definition serves.
    """
    # Autocast would choose other number types for the products than those that are kept for backward.
    if x.dim() != 3 or torch.is_autocast_enabled(x.device.type):
        return False
    return all(
        layer.weight.dtype == fused.down.dtype
        and (type(layer) is HalfLinear or (type(layer) is nn.Linear and layer.weight.dtype == x.dtype))
        for layer in linears
    )


class _GroupLinear(torch.autograd.Function):
    """apply(x, down, scale, source, *weights, *biases, *up) -> outputs of the G layers.

    Kept: x (or what it is made from) when the lower factors learn, h when the upper ones or the scale do. So
    stage 2, which trains the scale alone, keeps h and no input of any layer.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, down: Tensor, scale: Tensor | None, source: Source | None, *tensors: Tensor | None
    ) -> Any:
        count = len(tensors) // 3
        weights, biases, up = tensors[:count], tensors[count : 2 * count], tensors[2 * count :]
        hidden = _times_transposed(x, down)
        scaled = _scale(hidden, scale)
        outputs = []
        for k, part in enumerate(scaled.chunk(count, 2)):
            base = F.linear(x, weights[k], biases[k])  # type: ignore[arg-type]
            outputs.append(_add_product(base, part, up[k]))  # type: ignore[arg-type]
        # A layer whose output nobody used has None here instead of zeros to multiply with.
        ctx.set_materialize_grads(False)
        learns_up = ctx.needs_input_grad[2] or any(ctx.needs_input_grad[_FIRST + 2 * count :])
        inputs: tuple[Tensor, ...] = ()
        ctx.make = None
        if ctx.needs_input_grad[1]:
            ctx.make, inputs = (None, (x,)) if source is None else source
        ctx.save_for_backward(down, scale, hidden if learns_up else None, *weights, *up, *inputs)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        down, scale, hidden, *rest = ctx.saved_tensors
        count = len(grads)
        weights, up, inputs = rest[:count], rest[count : 2 * count], rest[2 * count :]
        wants_up = ctx.needs_input_grad[_FIRST + 2 * count :]
        if all(grad is None for grad in grads):
            return (None,) * (_FIRST + 3 * count)
        dscaled, dx = _towards_input(grads, weights, up, bool(ctx.needs_input_grad[0]))
        dup: list[Tensor | None] = [None] * count
        if any(wants_up):
            for k, part in enumerate(_scale(hidden, scale).chunk(count, 2)):
                if wants_up[k] and grads[k] is not None:
                    dup[k] = _outer(part, grads[k], up[k])  # type: ignore[arg-type]
        dscale = _scale_gradient(dscaled, hidden, scale) if ctx.needs_input_grad[2] else None
        dhidden = _scale(dscaled, scale)
        ddown = None
        if ctx.needs_input_grad[1]:
            x = inputs[0] if ctx.make is None else ctx.make(*inputs).to(down.dtype)
            ddown = _outer(dhidden, x, down)
        if dx is not None:
            dx = _add_product(dx, dhidden, down)
        return (dx, ddown, dscale, None, *[None] * (2 * count), *dup)


_FIRST = 4  # position of the first weight among the arguments of _GroupLinear


def _towards_input(
    grads: tuple[Tensor | None, ...], weights: list[Tensor], up: list[Tensor], wants_x: bool
) -> tuple[Tensor, Tensor | None]:
    """dL/d(h * scale) [R, n, G*K], and the part of dL/dx that went through the base weights."""
    first = next(g for g in grads if g is not None)
    columns = up[0].shape[-2]
    shape = (*first.shape[:2], len(grads) * columns)
    # Only the part of a layer without a gradient is never written.
    dscaled = first.new_zeros(shape) if any(g is None for g in grads) else first.new_empty(shape)
    dx: Tensor | None = None
    for k, (grad, part) in enumerate(zip(grads, dscaled.chunk(len(grads), 2), strict=True)):
        if grad is None:
            continue
        part.copy_(_times_transposed(grad, up[k]))
        if wants_x:
            dx = grad @ weights[k] if dx is None else _add_product(dx, grad, weights[k])
    return dscaled, dx


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
        # In place: a sum of its own would read and write all outputs once more.
        return total.baddbmm_(x, factor)
    total.view(-1, total.shape[-1]).addmm_(x.reshape(-1, x.shape[-1]), factor)
    return total


def _outer(left: Tensor, right: Tensor, factor: Tensor) -> Tensor:
    """Gradient of a factor: left^T right, summed over all tokens, or by batch row for batched factors."""
    if factor.dim() == 3:
        return left.transpose(1, 2) @ right
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])

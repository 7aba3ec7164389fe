"""Norms and gated feed-forward networks of a frozen base model that keep less for the backward pass.

Values are the base model's own to the last bit; only what is remembered differs. A norm remembers its input, a
gated product its two factors, and the adapter term behind them makes its own input again from these (`Source`)
instead of keeping a second copy. Per token and block this saves two vectors of the model's width and two of the
feed-forward network's.

A module takes part when it answers like the definition here on random numbers, in training mode; all others stay as
they are. It is done by changing the module's class, so that names and parameters remain.
"""

from __future__ import annotations

import inspect
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.adapters.fast.bfloat16_linears import HALF, HalfLinear
from core.adapters.fast.chains import chain
from core.adapters.fast.last_block import LastBlock, find_last_blocks
from core.adapters.fast.packed import packed_row
from core.adapters.fast.packed_attention import PackedSelfAttention
from core.adapters.fast.sources import Source, offer_source
from core.adapters.targets import swap_class


def _like_norm(dtype: torch.dtype, device: torch.device) -> tuple[Any, ...]:
    h, weight = (torch.linspace(-2.0, 3.0, n, device=device, dtype=dtype) for n in (96, 16))
    return h.view(1, 6, 16), weight, 1e-5, dtype


@chain(_like_norm)
def _norm(h: Tensor, weight: Tensor, eps: float, wanted: torch.dtype) -> tuple[Tensor, Tensor]:
    """-> weight * h / rms(h) and 1 / rms(h)."""
    wide = h.to(torch.float32)
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return _normalised(wide, scale, weight, h.dtype, wanted), scale


def _like_norm_back(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    h, weight, eps, _ = _like_norm(dtype, device)
    return h.flip(1), h, _norm.plain(h, weight, eps, dtype)[1], weight


@chain(_like_norm_back)
def _norm_back(grad: Tensor, h: Tensor, scale: Tensor, weight: Tensor) -> Tensor:
    inner = (grad * weight).to(torch.float32)
    normal = h.to(torch.float32) * scale
    shift = (inner * normal).mean(-1, keepdim=True)
    # With n = h / rms(h) and g = grad * weight: dL/dh = (g - n mean(g n)) / rms(h).
    return inner.addcmul_(normal, shift, value=-1.0).mul_(scale).to(h.dtype)


class _Norm(torch.autograd.Function):
    """weight * h / rms(h) for h [.., d], statistics in float32; keeps h and 1 / rms. The result has the number type
    `wanted`, h's unless the layers that read it multiply in another (core/adapters/fast/bfloat16_linears.py)."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, eps: float, wanted: torch.dtype) -> tuple[Tensor, Tensor]:
        normal, scale = _norm(h, weight, eps, wanted)
        ctx.save_for_backward(h, scale, weight)
        ctx.mark_non_differentiable(scale)  # handed out for `Source` alone
        return normal, scale

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> Any:
        h, scale, weight = ctx.saved_tensors
        return _norm_back(grad, h, scale, weight), None, None, None


def _normalised(h: Tensor, scale: Tensor, weight: Tensor, own: torch.dtype, wanted: torch.dtype) -> Tensor:
    return (weight * (h.to(torch.float32) * scale).to(own)).to(wanted)


def _like_gated(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    gate = torch.linspace(-4.0, 4.0, 96, device=device, dtype=dtype).view(1, 6, 16)
    return gate, gate.flip(2)


@chain(_like_gated)
def _gated(gate: Tensor, up: Tensor) -> Tensor:
    return F.silu(gate).mul_(up)


@chain(lambda dtype, device: (_like_gated(dtype, device)[0].flip(1), *_like_gated(dtype, device)))
def _gated_back(grad: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    # silu(gate) is computed again: keeping it would cost as much memory as one of the factors.
    dup = F.silu(gate).mul_(grad)
    return torch.ops.aten.silu_backward(grad * up, gate), dup


class _GatedProduct(torch.autograd.Function):
    """silu(gate) * up; keeps the two factors alone."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return _gated(gate, up)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        gate, up = ctx.saved_tensors
        return _gated_back(grad, gate, up)


class LeanNorm(nn.Module):
    """In the place of a root-mean-square norm."""

    weight: nn.Parameter
    half_output: bool = False

    def forward(self, hidden_states: Tensor) -> Tensor:
        eps, own = _epsilon(self), hidden_states.dtype
        assert eps is not None
        packed = packed_row() is not None
        wanted = HALF if packed and self.half_output else own  # other calls leave q, k and v of one type
        y, scale = _Norm.apply(hidden_states, self.weight, eps, wanted)
        make = partial(_normalised, own=own, wanted=wanted)
        offer_source(y, Source(make, (hidden_states.detach(), scale, self.weight)))
        return y


class LeanFeedForward(nn.Module):
    """In the place of down_proj(silu(gate_proj(x)) * up_proj(x))."""

    gate_proj: nn.Linear
    up_proj: nn.Linear
    down_proj: nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_proj(x), self.up_proj(x)
        product = _GatedProduct.apply(gate, up)
        offer_source(product, Source(_gated, (gate.detach(), up.detach())))
        return self.down_proj(product)


_LEAN = (LeanNorm, LeanFeedForward, PackedSelfAttention, LastBlock)


def make_lean(model: nn.Module) -> None:
    """Changes the classes of the modules that can take part."""
    known: dict[type, bool] = {}
    for module in model.modules():
        lean = _lean_of(module)
        if lean is None:
            continue
        if type(module) not in known:
            # Outside packed calls an attention is its own; in them losses are compared
            # (core/training/choose_packing.py).
            known[type(module)] = issubclass(lean, PackedSelfAttention) or _same(module, lean)
        if known[type(module)]:
            swap_class(module, lean)
    # After the attentions: a block can leave rows out only where its attention knows of packed calls.
    for block in find_last_blocks(model):
        if isinstance(block.self_attn, PackedSelfAttention) and not isinstance(block, LastBlock):
            swap_class(block, _lean_class(LastBlock, type(block)))  # type: ignore[arg-type]


def undo_lean(model: nn.Module) -> None:
    """Gives every module its own class back."""
    for module in model.modules():
        if isinstance(module, _LEAN):
            # The order of `_lean_class`: the made class, its lean form, the module's own.
            swap_class(module, type(module).__mro__[2])


def _lean_of(module: nn.Module) -> type[nn.Module] | None:
    if isinstance(module, _LEAN):
        return None
    children = dict(module.named_children())
    if not children and _is_norm(module):
        return _lean_class(LeanNorm, type(module))  # type: ignore[arg-type]
    if set(children) == {"gate_proj", "up_proj", "down_proj", "act_fn"}:
        plain = all(type(children[n]) in (nn.Linear, HalfLinear) for n in ("gate_proj", "up_proj", "down_proj"))
        return _lean_class(LeanFeedForward, type(module)) if plain else None  # type: ignore[arg-type]
    turns = getattr(module, "use_rope", True)  # SmolLM3 leaves positions out of every fourth layer
    if set(children) == {"q_proj", "k_proj", "v_proj", "o_proj"} and hasattr(module, "scaling") and turns:
        return _lean_class(PackedSelfAttention, type(module))  # type: ignore[arg-type]
    return None


def _is_norm(module: nn.Module) -> bool:
    """A norm with a weight alone, of one input; those of state-space models read a gate beside it."""
    weights, inputs = [n for n, _ in module.named_parameters()], inspect.signature(module.forward).parameters
    return _epsilon(module) is not None and weights == ["weight"] and len(inputs) == 1


def _epsilon(module: nn.Module) -> float | None:
    found = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    return found if isinstance(found, float) else None


@cache
def _lean_class(lean: type[nn.Module], own: type[nn.Module]) -> type[nn.Module]:
    return type(f"Lean{own.__name__}", (lean, own), {})


@torch.no_grad()
def _same(module: nn.Module, lean: type[nn.Module]) -> bool:
    """Whether the module answers bit for bit like its lean form."""
    own, was_training = type(module), module.training
    weight = next(module.parameters())
    width = weight.shape[-1]
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, width, generator=generator).to(weight.device, weight.dtype)
    module.train()
    try:
        expected = module(x)
        swap_class(module, lean)
        found = module(x)
    except (RuntimeError, TypeError, AttributeError):  # another call than ours: not of this kind
        return False
    finally:
        swap_class(module, own)
        module.train(was_training)
    return isinstance(expected, Tensor) and torch.equal(found, expected)

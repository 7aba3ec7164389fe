"""Attention over packed examples (core/adapters/fast/packed.py), as batched products over chunks of like length.

A causal mask alone keeps the padding inside a chunk out, because it stands on the right. torch's own attention on
processors cuts its products into tiles: in bfloat16 its backward pass takes five times as long as the batched
products here, in float32 1.4 times (64 tokens; assets/docs/decisions.md).

Shapes: N tokens of which the first M are real, h heads, g heads of keys and values (h is a multiple of g), d their
size; a chunk has R examples of at most n tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from core.adapters.fast.chains import chain
from core.adapters.fast.packed import HeadTables, PackedRow, Packing, packed_row
from core.base.errors import ModelError

NAME = "taskloom_packed"
KEPT_LENGTH = 128  # longer chunks compute their probabilities again in the backward pass instead of keeping them
Shared = tuple[Tensor, Tensor, Tensor]  # of core.adapters.fast.packed.HeadTables
_OTHER_KINDS = ("softcap", "s_aux", "position_bias")


@contextmanager
def packed_attention(config: Any) -> Iterator[None]:
    """Inside, the model's attention keeps the examples of a packed call apart.

    Raises:
        ModelError: the model computes its attention otherwise than by transformers' interface for it.
    """
    before = getattr(config, "_attn_implementation", None)
    if before != "sdpa":
        raise ModelError("adapter.not_packed")
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *masks: Tensor | None, **others: Any
) -> tuple[Tensor, None]:
    """transformers' attention interface: query [1, h, N, d], key and value [1, g, N, d] -> [1, N, h, d].

    Raises:
        ModelError: no packed call, or a kind of attention that is not computed here.
    """
    packed = packed_row()
    if packed is None or others.get("dropout") or any(others.get(name) is not None for name in _OTHER_KINDS):
        raise ModelError("adapter.not_packed")
    _require_window(others.get("sliding_window"), packed)
    heads, tokens, size = query.shape[1:]
    scale = size**-0.5 if others.get("scaling") is None else others["scaling"]
    rows = [t.transpose(1, 2).reshape(-1, size).to(value.dtype) for t in (query * scale, key, value)]
    output = _PackedAttention.apply(*rows, _Plan(packed.packing, packed.packing.tables_of(heads, key.shape[1])))
    return output.view(1, tokens, heads, size), None


class PackedSelfAttention(nn.Module):
    """In the place of a Llama-like attention: in a packed call the queries and keys are turned in two passes over
    memory instead of five, and nothing is moved before it is gathered into chunks. Other calls are the model's own.
    """

    q_proj: nn.Module
    k_proj: nn.Module
    v_proj: nn.Module
    o_proj: nn.Module
    head_dim: int
    scaling: float

    def forward(
        self, hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor] | None = None, **others: Any
    ) -> Any:
        packed = packed_row()
        if packed is None or position_embeddings is None:
            return super().forward(hidden_states, position_embeddings=position_embeddings, **others)
        _require_window(_window_of(self), packed)
        size, tokens = self.head_dim, hidden_states.shape[1]
        q, k, v = (layer(hidden_states) for layer in (self.q_proj, self.k_proj, self.v_proj))
        angles = _angles(packed, position_embeddings, q.dtype)
        scaled = _angles(packed, position_embeddings, q.dtype, self.scaling)  # scales the queries in the same pass
        q, k = (
            _Turned.apply(t.view(tokens, -1, size), *turn).view(-1, size) for t, turn in ((q, scaled), (k, angles))
        )
        tables = packed.packing.tables_of(q.shape[0] // tokens, k.shape[0] // tokens)
        output = _PackedAttention.apply(q, k, v.reshape(-1, size), _Plan(packed.packing, tables))
        output = output.view(1, tokens, -1)
        return self.o_proj(packed.trim(output) if packed.trims else output), None


def _window_of(attention: nn.Module) -> Any:
    """How many tokens a layer looks back; None for all. Mistral's layers read it from the settings."""
    if hasattr(attention, "sliding_window"):
        return attention.sliding_window
    config = getattr(attention, "config", None)
    return None if hasattr(config, "use_sliding_window") else getattr(config, "sliding_window", None)


def _require_window(window: Any, packed: PackedRow) -> None:
    """Raises ModelError where an example is longer than a layer's window, which is not computed here."""
    if window is not None and window < packed.packing.longest:
        raise ModelError("adapter.not_packed")


def _angles(
    packed: PackedRow, embeddings: tuple[Tensor, Tensor], dtype: torch.dtype, scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    """cos and sin [N, 1, d] of the tokens' positions, times a scale; made once for the layers of a call."""
    made = packed.angles.get((dtype, scale))
    if made is None or made[0] is not embeddings[0]:
        cos, sin = ((t[0, :, None] * scale).to(dtype) for t in embeddings)
        made = packed.angles[dtype, scale] = (embeddings[0], cos, sin)
    return made[1], made[2]


class _Turned(torch.autograd.Function):
    """Rotary position embedding (Su et al., arXiv 2104.09864, in halves as Llama has it) of x [N, h, d] by cos, sin
    [N, 1, d]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(x, cos, sin, -1.0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        # Of y_1 = x_1 cos_1 - x_2 sin_1, y_2 = x_2 cos_2 + x_1 sin_2: dx_1 = g_1 cos_1 + g_2 sin_2,
        # dx_2 = g_2 cos_2 - g_1 sin_1: the same turn with the halves of the sine exchanged and the other sign.
        return _turn(grad, cos, sin.roll(sin.shape[-1] // 2, -1), 1.0), None, None


def _like_turn(dtype: torch.dtype, device: torch.device) -> tuple[Any, ...]:
    angles = torch.linspace(-3.0, 3.0, 48, device=device)
    cos, sin = (t.to(dtype).view(6, 1, 8) for t in (angles.cos(), angles.sin()))
    return torch.linspace(-2.0, 2.0, 96, device=device, dtype=dtype).view(6, 2, 8), cos, sin, -1.0


@chain(_like_turn)
def _turn(x: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
    """x cos + sign [x_2 sin_1, -x_1 sin_2] for halves x = [x_1, x_2]."""
    turned = x * cos
    first, second = x.chunk(2, -1)
    to_first, to_second = turned.chunk(2, -1)
    by_first, by_second = sin.chunk(2, -1)
    to_first.addcmul_(second, by_first, value=sign)
    to_second.addcmul_(first, by_second, value=-sign)
    return turned


class _Plan(NamedTuple):
    packing: Packing
    tables: HeadTables


class _PackedAttention(torch.autograd.Function):
    """softmax(q k^T + causal mask) v for q [N * h, d], scaled before, k and v [N * g, d], example by example."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, plan: _Plan) -> Tensor:
        packing, tables = plan
        saved: list[Tensor | None] = []
        laid = q.new_empty(_rows_of(tables.queries), q.shape[1])
        outputs = iter(laid.split([len(table) for table in tables.queries]))
        for chunk, to_q, to_k in zip(packing.chunks, tables.queries, tables.keys, strict=True):
            shape = (-1, chunk.length, q.shape[1])
            parts = [t.index_select(0, table).view(shape) for t, table in ((q, to_q), (k, to_k), (v, to_k))]
            probabilities = _probabilities(parts[0], parts[1], packing)
            torch.bmm(probabilities, parts[2], out=next(outputs).view(shape))
            saved += [*parts, probabilities if chunk.length <= KEPT_LENGTH else None]
        ctx.save_for_backward(*saved)
        ctx.plan, ctx.sizes = plan, (q.shape[0], k.shape[0])
        return _from_chunks(laid, tables.queries_back, q.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        packing, tables = ctx.plan
        back, sizes = tables.queries_back, [len(table) for table in tables.queries]
        # Heads of queries that read one head of keys.
        repeats = len(back) // len(tables.keys_back)
        # Padded places of a chunk bring no gradient, so they are zero; `grad` is longer where tokens pad the row.
        dy = grad.new_zeros(_rows_of(tables.queries), grad.shape[1]).index_copy_(0, back, grad[: len(back)])
        # Every place is written by the products below.
        dq = torch.empty_like(dy)
        dk, dv = (dy.new_empty(len(dy) // repeats, dy.shape[1]) for _ in range(2))
        keys = [size // repeats for size in sizes]
        parts = zip(dy.split(sizes), dq.split(sizes), dk.split(keys), dv.split(keys), strict=True)
        for number, (own, to_q, to_k, to_v) in enumerate(parts):
            q, k, v, probabilities = ctx.saved_tensors[4 * number : 4 * number + 4]
            if probabilities is None:
                probabilities = _probabilities(q, k, packing)
            own = own.view_as(q)
            inner = torch.bmm(own, v.transpose(1, 2))
            # p * (dp - sum(dp * p)) in one pass; it is what torch's own softmax calls.
            inner = torch._softmax_backward_data(inner, probabilities, -1, probabilities.dtype)
            torch.bmm(inner, k, out=to_q.view_as(q))
            _sum_by_key_head(inner, q, to_k, repeats)
            _sum_by_key_head(probabilities, own, to_v, repeats)
        num_q, num_k = ctx.sizes
        both = [_from_chunks(found, tables.keys_back, num_k, tables.shared) for found in (dk, dv)]
        return (_from_chunks(dq, back, num_q), *both, None)


def _rows_of(tables: list[Tensor]) -> int:
    return sum(len(table) for table in tables)


def _probabilities(q: Tensor, k: Tensor, packing: Packing) -> Tensor:
    """softmax(q k^T + causal mask) [R * h, n, n]."""
    mask = packing.mask(q.shape[1], q.dtype)
    return torch.softmax(torch.baddbmm(mask, q, k.transpose(1, 2)), -1)


def _sum_by_key_head(weights: Tensor, x: Tensor, out: Tensor, repeats: int) -> None:
    """weights^T x for weights [R * h, n, n], x [R * h, n, d], summed over the `repeats` heads that read one head of
    keys, into out [R * g * n, d]."""
    turned = weights.transpose(1, 2)
    if repeats == 1:
        torch.bmm(turned, x, out=out.view_as(x))
    else:
        torch.sum(torch.bmm(turned, x).unflatten(0, (-1, repeats)), 1, out=out.view(-1, *x.shape[1:]))


def _from_chunks(whole: Tensor, back: Tensor, size: int, shared: Shared | None = None) -> Tensor:
    """Rows [.., d] of all chunks -> [size, d] in the order of the tokens, zero behind the real ones. `shared`: the
    rows that are sums over several places."""
    found = whole.new_zeros(size, whole.shape[1])
    torch.index_select(whole, 0, back, out=found[: len(back)])
    if shared is not None:
        numbers, places, begins = shared
        found.index_copy_(0, numbers, F.embedding_bag(places, whole, begins, mode="sum"))
    return found


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)

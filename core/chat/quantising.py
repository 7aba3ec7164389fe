"""Smaller numbers for the base model's linear layers while it answers: int8, 4-bit where the libraries can. Torch.

int8 on a CPU: torch's dynamic quantisation, weights with a scale a row and inputs with a scale a token. On
a graphics card int8 and everywhere 4-bit (NF4): bitsandbytes, if it is installed. Embeddings, head and adapters
stay as they are. An answer may differ from the full model's: the chat says what it was written with.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.targets import swap_class
from core.base.errors import ModelError
from core.chat.protocol import FULL, INT8
from core.models.loading import LoadedBase


class _Packed:
    """A product with packed weights, [rows, i] -> [rows, o]; runs on one base model share it instead of copying."""

    def __init__(self, product: Callable[[Tensor], Tensor]) -> None:
        self.product = product

    def __deepcopy__(self, memo: dict[int, Any]) -> _Packed:
        return self


class PackedLinear(nn.Linear):
    """A linear layer whose numbers are packed. Made from a plain one in place, so that everybody who holds the
    layer holds this one; `weight` keeps its shape, type and device, but not its numbers."""

    packed: _Packed

    def forward(self, x: Tensor) -> Tensor:
        out = self.packed.product(x.reshape(-1, self.in_features))
        return out.reshape(*x.shape[:-1], self.out_features)


def quantise_base(base: LoadedBase, precision: str) -> int:
    """Quantises the linear layers between embeddings and head in place; returns how many.

    Raises:
        ModelError: this machine's libraries cannot do it, or it would not work with the model's number type.
    """
    if precision == FULL:
        return 0
    device = next(base.model.parameters()).device.type
    require_precision(precision, device)
    head = base.model.get_output_embeddings()
    chosen = [module for module in base.model.modules() if type(module) is nn.Linear and module is not head]
    pack = _int8_product if precision == INT8 and device == "cpu" else partial(_bitsandbytes, precision)
    for module in chosen:
        pack_linear(module, pack)
    return len(chosen)


def require_precision(precision: str, device: str) -> None:
    """Raises ModelError when this machine cannot write answers in a precision."""
    if precision == FULL:
        return
    if precision == INT8 and device == "cpu":
        if not hasattr(torch.ops.quantized, "linear_dynamic") or "none" in torch.backends.quantized.engine:
            raise ModelError("chat.no_int8", device=device)
    elif importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError("chat.no_bitsandbytes", precision=precision, device=device)


@torch.no_grad()
def pack_linear(linear: nn.Linear, pack: Callable[[nn.Linear], Callable[[Tensor], Tensor]]) -> None:
    """Turns a linear layer into a packed one."""
    object.__setattr__(linear, "packed", _Packed(pack(linear)))
    swap_class(linear, PackedLinear)
    linear.weight = nn.Parameter(linear.weight.new_zeros(1, 1).expand(linear.weight.shape), requires_grad=False)


def _int8_product(linear: nn.Linear) -> Callable[[Tensor], Tensor]:
    """torch scales all rows of an input by their common range, so that a question's answer would depend on the
    other questions in its batch. Here every row is brought to a range of 1 first, and two edge rows fix the
    common one.
    """
    weight = linear.weight.float()
    scale = weight.abs().amax(1).clamp_min(1e-8) / 127
    zero = torch.zeros(len(scale), dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces another home for this; the pinned version has it here
        whole = torch.quantize_per_channel(weight, scale.double(), zero, 0, torch.qint8)
        weights = torch.ops.quantized.linear_prepack(whole, None)
    bias = None if linear.bias is None else linear.bias.detach()
    edges = torch.zeros(2, linear.in_features)
    edges[:, 0] = torch.tensor([1.0, -1.0])

    def product(rows: Tensor) -> Tensor:
        size = rows.abs().amax(1, keepdim=True).clamp_min(1e-12)
        out: Tensor = torch.ops.quantized.linear_dynamic(torch.cat([edges, rows / size]), weights)[2:] * size
        return out if bias is None else out + bias

    return product


def _bitsandbytes(precision: str, linear: nn.Linear) -> Callable[[Tensor], Tensor]:
    """bitsandbytes quantises when the layer is moved to its device."""
    import bitsandbytes  # optional: the caller has looked

    sizes, has_bias = (linear.in_features, linear.out_features), linear.bias is not None
    if precision == INT8:
        layer = bitsandbytes.nn.Linear8bitLt(*sizes, bias=has_bias, has_fp16_weights=False)
    else:
        dtype = linear.weight.dtype
        layer = bitsandbytes.nn.Linear4bit(*sizes, bias=has_bias, compute_dtype=dtype, quant_type="nf4")
    layer.load_state_dict(linear.state_dict())
    layer.requires_grad_(False)
    moved: Callable[[Tensor], Tensor] = layer.to(linear.weight.device).eval()
    return moved

"""bfloat16 products in a float32 model: on processors that have such products but no matrix units for them.

Only the weights of the frozen linear layers of the blocks become bfloat16 (most models are published in it), and
their inputs for the product; norms, attention, activations, the residual stream and the head stay in float32, where
bfloat16 is slower on such processors or loses the most. Gradients flow back the same way.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.adapters.targets import find_linears, swap_class

HALF = torch.bfloat16
# Norms whose output linear layers of the block read; it is made in bfloat16 at once where nothing else reads it.
_INNER_NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm")


class HalfLinear(nn.Linear):
    """A linear layer whose weights are bfloat16; the output has the number type of the input."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias).to(x.dtype)


def use_half_products(model: nn.Module) -> int:
    """Turns the linear layers of a frozen float32 model's blocks into HalfLinear; returns how many."""
    count = 0
    for _, linear in find_linears(model):
        if type(linear) is nn.Linear and linear.weight.dtype == torch.float32:
            swap_class(linear, HalfLinear)
            linear.to(HALF)
            count += 1
    for block in model.modules() if count else ():
        norms: list[Any] = [norm for name, norm in block.named_children() if name in _INNER_NORMS]
        # A router or the experts of a mixture read the norm's output too, and multiply in float32.
        if norms and all(p.dtype == HALF for p in block.parameters() if p.ndim > 1):
            for norm in norms:
                norm.half_output = True  # what core.adapters.fast.recompute reads
    return count

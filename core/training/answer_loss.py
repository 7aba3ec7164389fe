"""The losses of answer tokens from hidden states, through a frozen head, without keeping any logits.

The gradient of a cross-entropy with respect to the hidden states is known as soon as the logits are:
(softmax(z) - onehot(target)) W. It is computed in the forward pass, a piece of the tokens at a time, so that
neither logits nor probabilities [N, V] are kept, and three passes over them are saved.

Shapes: N answer tokens, d width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

PIECE = 2**24  # logits computed at once (64 MB)


def answer_losses(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, precision: str = "highest"
) -> Tensor:
    """Nats [N], float32, of targets [N] for hidden [N, d] and a head weight [V, d] that does not learn.

    `precision`: torch's float32 matrix product precision for the head alone.
    """
    losses: Tensor = _AnswerLosses.apply(hidden, weight, bias, targets, precision)
    return losses


class _AnswerLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, precision: str
    ) -> Tensor:
        losses = hidden.new_empty(len(hidden), dtype=torch.float32)
        grad = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        size = max(1, PIECE // len(weight))
        with matmul_precision(precision):
            for start in range(0, len(hidden), size):
                piece = slice(start, start + size)
                logits = F.linear(hidden[piece], weight, bias).float()
                wanted = targets[piece, None]
                total = torch.logsumexp(logits, -1, keepdim=True)
                losses[piece] = (total - logits.gather(1, wanted)).squeeze(1)
                if grad is not None:
                    shares = logits.sub_(total).exp_()
                    shares.scatter_add_(1, wanted, torch.full_like(total, -1.0))
                    grad[piece] = shares.to(weight.dtype) @ weight
        ctx.save_for_backward(grad)
        return losses

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> Any:
        (grad,) = ctx.saved_tensors
        return grad * outer[:, None].to(grad.dtype), None, None, None, None


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """torch's float32 matrix product precision inside."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)

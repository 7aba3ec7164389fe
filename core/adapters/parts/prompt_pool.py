"""What a gate that reads the question sees: the mean over the prompt's tokens, and where there is no prompt."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.adapters.call import Call
from core.adapters.targets import is_cross


def prompt_mean(values: Tensor, call: Call) -> Tensor:
    """values [.., R, n, d] of the call's rows -> [.., R, d]: the mean over the tokens of the prompt, over all
    tokens where the call has no mask of that many."""
    mask = call.prompt_mask
    if mask is None or mask.shape[1] != values.shape[-2]:
        return values.mean(-2)
    weights = mask.to(values.dtype).repeat_interleave(values.shape[-3] // mask.shape[0], 0)
    weights = weights / weights.sum(1, keepdim=True).clamp_min(1.0)
    return torch.einsum("...Rnd,Rn->...Rd", values, weights)


def reads_answer(model: nn.Module, stack: str, name: str) -> bool:
    """Whether a module is given the answer's tokens alone: the decoder's of an encoder-decoder model, but for the
    keys and values of its attention to the question. A gate then reads the start position, which is there in every
    way of decoding."""
    both = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
    leaf = name.rsplit(".", 1)[-1]
    return (
        both
        and "decoder" in stack
        and not (is_cross(name) and leaf in ("k", "v", "k_proj", "v_proj", "key", "value"))
    )

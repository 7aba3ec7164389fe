"""The last block of a frozen base model, computed only for the tokens whose outputs are read.

Answers are a tenth of the tokens of most tasks. Behind the last block's attention nothing looks at another token,
so all that follows (the output projection, the feed-forward network, the last norm) is needed for the positions
that predict an answer token alone. Keys and values are needed of every token.

Only in packed calls that say which tokens are wanted (core/adapters/call.py); other calls are the model's own.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from core.adapters.fast.packed import packed_row
from core.adapters.fast.packed_attention import PackedSelfAttention

_CHILDREN = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}


class LastBlock(nn.Module):
    """In the place of a Llama-like block: h + attention(norm(h)), then + mlp(norm(.))."""

    self_attn: nn.Module
    mlp: nn.Module
    input_layernorm: nn.Module
    post_attention_layernorm: nn.Module

    def forward(self, hidden_states: Tensor, *positional: Any, **others: Any) -> Any:
        packed = packed_row()
        if packed is None or packed.wanted is None or not isinstance(self.self_attn, PackedSelfAttention):
            return super().forward(hidden_states, *positional, **others)
        packed.trims = True  # the attention gives the wanted tokens alone
        attended, _ = self.self_attn(hidden_states=self.input_layernorm(hidden_states), **others)
        hidden = attended + hidden_states.index_select(1, packed.wanted)
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


def find_last_blocks(model: nn.Module) -> list[nn.Module]:
    """The last block of every stack of Llama-like blocks."""
    stacks = [m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m)]
    return [stack[-1] for stack in stacks if _is_plain(stack[-1])]


def _is_plain(block: nn.Module) -> bool:
    """A number of a block's own is a multiplier for what it adds, as Granite has."""
    own = vars(block).values()
    return set(dict(block.named_children())) == _CHILDREN and not any(isinstance(v, float) for v in own)

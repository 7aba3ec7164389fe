"""What can be seen of an adapter at work on one text: the weights it mixed by, and how large each skill's part is.

Legend: n tokens, L adapted layers, S skills. A part's size is the length (2-norm) of what a skill, or all common or
all private skills together, adds to a layer's output at a token; the base layer's own output is the measure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from core.adapters.call import Call

TASK, PROMPT, TOKEN = "task", "prompt", "token"  # what the weights of a method depend on


@dataclass
class Observation:
    """One forward pass. `weights` [L, S] used for the example (token-level gates: their mean over the tokens) and
    `by_token` [n, S] (mean over the layers) only for gates of tokens. `sizes` [L, S], `size_by_token` [n, S]: each
    skill's part relative to the base layer's output; None for methods whose parts cannot be told apart.
    """

    level: str
    weights: Tensor
    by_token: Tensor | None = None
    sizes: Tensor | None = None
    size_by_token: Tensor | None = None


@dataclass
class Parts:
    """Mean sizes over the tokens of a text, [L]: all common skills together, all private ones, and the base."""

    common: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)
    base: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """Texts [b, n], each read as its task of the call; `task` is the first one's. `call` holds what the adapter
    prepared and concluded; `inputs` what every adapted module was given, by its path in the model, and `frozen` the
    base model's own modules. `lengths` [b]: tokens of each text, where shorter ones are padded at their end."""

    call: Call
    task: int
    inputs: dict[str, Tensor]
    frozen: dict[str, nn.Module]
    lengths: Tensor | None = None

    def layer(self, name: str) -> tuple[Tensor, Tensor]:
        """(input [b, n, i], the base layer's own output [b, n, o]) in float32."""
        x = self.inputs[name]
        return x.float(), self.frozen[name](x).float()

    def mean_size(self, term: Tensor) -> Tensor:
        """The mean length of a term [b, n, o] over each text's own tokens, [b]."""
        sizes = term.norm(dim=-1)
        if self.lengths is None:
            return sizes.mean(1)
        real = torch.arange(sizes.shape[1], device=sizes.device) < self.lengths[:, None]
        return (sizes * real).sum(1) / self.lengths

"""Finding and wrapping the feed-forward networks of a transformer's blocks, and pools of adapters for them.

Shapes: R rows, n tokens, d width, N adapters of a pool, r rank, weights [R, N].
"""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.adapters.settings.task_adapters import MTAConfig
from core.adapters.targets import lowest_block
from core.base.errors import ModelError

LEAVES = ("mlp", "DenseReluDense", "feed_forward", "ffn")


@dataclass(frozen=True)
class FeedForwardSite:
    """One feed-forward network: its path, the path of its stack of blocks, the number of its block."""

    name: str
    stack: str
    block: int


def find_feed_forwards(model: nn.Module, config: MTAConfig) -> list[FeedForwardSite]:
    """The feed-forward networks that the settings choose, in every stack of blocks.

    Raises:
        ModelError: the model has none that can be found, or a chosen block does not exist.
    """
    sites = []
    for name, _ in model.named_modules():
        parts = name.split(".")
        numbers = [i for i, part in enumerate(parts) if part.isdigit()]
        if parts[-1] in LEAVES and numbers:
            sites.append(FeedForwardSite(name, ".".join(parts[: numbers[0]]), int(parts[numbers[0]])))
    if not sites:
        raise ModelError("adapter.no_feed_forward", model=type(model).__name__)
    if config.blocks is None:
        return [s for s in sites if s.block >= lowest_block(model, s.stack, config.upper_share)]
    known = {s.block for s in sites}
    wanted = [part.strip() for part in config.blocks.split(",") if part.strip()]
    if not wanted or any(not w.isdigit() or int(w) not in known for w in wanted):
        raise ModelError("adapter.no_block", blocks=config.blocks, last=max(known))
    return [s for s in sites if s.block in {int(w) for w in wanted}]


class Pool(nn.Module):
    """N adapters of one feed-forward network. `plain` is that network's own output, where the pool asks for it."""

    needs_plain = False

    @abstractmethod
    def mixed(self, x: Tensor, plain: Tensor | None, weights: Tensor, used: list[int]) -> Tensor:
        """sum_k weights[:, k] A_k(x) for weights that sum to one: [R, n, d]. `used`: the k that any row may weigh,
        known without asking the device."""

    @abstractmethod
    def each(self, x: Tensor, plain: Tensor | None) -> Tensor:
        """A_k(x) for every k: [N, R, n, d]."""


class LightPool(Pool):
    """A_k(x) = FFN(x) + (alpha / r) (x D_k^T) U_k^T, D Kaiming-uniform (a = sqrt 5), U zero. Parameters: N * 2 * r
    * d.
    """

    needs_plain = True

    def __init__(self, count: int, width: int, rank: int, alpha: float | None) -> None:
        super().__init__()
        self.scale = 1.0 if alpha is None else alpha / rank
        bound = 1.0 / math.sqrt(width)
        self.down = nn.Parameter(torch.empty(count, rank, width).uniform_(-bound, bound))
        self.up = nn.Parameter(torch.zeros(count, width, rank))

    def mixed(self, x: Tensor, plain: Tensor | None, weights: Tensor, used: list[int]) -> Tensor:
        assert plain is not None
        return plain + _low_rank_sum(x, self.down, self.up, self.scale * weights)

    def each(self, x: Tensor, plain: Tensor | None) -> Tensor:
        assert plain is not None
        hidden = torch.einsum("Rni,kri->kRnr", x, self.down.to(x.dtype))
        return plain + self.scale * torch.einsum("kRnr,kor->kRno", hidden, self.up.to(x.dtype))


class OwnLightPool(Pool):
    """As `LightPool`, with parameters of their own for every adapter: an optimizer then leaves those alone, moments
    included, that no example of a batch uses (their gradient is None)."""

    needs_plain = True

    def __init__(self, count: int, width: int, rank: int, alpha: float | None) -> None:
        super().__init__()
        self.scale = 1.0 if alpha is None else alpha / rank
        bound = 1.0 / math.sqrt(width)
        self.down = nn.ParameterList([torch.empty(rank, width).uniform_(-bound, bound) for _ in range(count)])
        self.up = nn.ParameterList([torch.zeros(width, rank) for _ in range(count)])

    def mixed(self, x: Tensor, plain: Tensor | None, weights: Tensor, used: list[int]) -> Tensor:
        assert plain is not None
        down, up = (torch.stack([factors[k] for k in used]) for factors in (self.down, self.up))
        # Column by column: a list of them would be an index, for which the host waits until a card has it.
        return plain + _low_rank_sum(x, down, up, self.scale * torch.stack([weights[:, k] for k in used], 1))

    def each(self, x: Tensor, plain: Tensor | None) -> Tensor:
        assert plain is not None
        pairs = zip(self.down, self.up, strict=True)
        return plain + self.scale * torch.stack([x @ d.to(x.dtype).T @ u.to(x.dtype).T for d, u in pairs])


def _low_rank_sum(x: Tensor, down: Tensor, up: Tensor, weights: Tensor) -> Tensor:
    """sum_k weights[:, k] (x D_k^T) U_k^T for down [N, r, d], up [N, d, r], all side by side."""
    count, rank, _ = down.shape
    hidden = x @ down.to(x.dtype).flatten(0, 1).T
    scaled = hidden * weights.to(x.dtype).repeat_interleave(rank, 1)[:, None]
    return scaled @ up.to(x.dtype).transpose(1, 2).reshape(count * rank, -1)


class FaithfulPool(Pool):
    """A_k is a copy of the pretrained feed-forward network, as in the paper. Parameters: N * the network's, in
    float32; beside a base model in bfloat16 they are multiplied in bfloat16, as every other adapter is."""

    def __init__(self, count: int, base: nn.Module) -> None:
        super().__init__()
        self.copies = nn.ModuleList([copy.deepcopy(base).float() for _ in range(count)])

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def mixed(self, x: Tensor, plain: Tensor | None, weights: Tensor, used: list[int]) -> Tensor:
        total = torch.zeros_like(x, dtype=self.dtype)
        for k in used:
            total = total + weights[:, k, None, None].to(self.dtype) * self._copy_of(k, x)
        return total.to(x.dtype)

    def each(self, x: Tensor, plain: Tensor | None) -> Tensor:
        return torch.stack([self._copy_of(k, x).to(x.dtype) for k in range(len(self.copies))])

    def _copy_of(self, k: int, x: Tensor) -> Tensor:
        half = x.dtype if x.dtype in (torch.bfloat16, torch.float16) else None
        with torch.autocast(x.device.type, dtype=half or torch.bfloat16, enabled=half is not None):
            outputs: Tensor = self.copies[k](x.to(self.dtype))
        return outputs


def build_pool(config: MTAConfig, count: int, base: nn.Module, width: int, apart: bool = False) -> Pool:
    """`apart`: an example uses few of the adapters, so each has parameters of its own, as faithful copies do."""
    if config.form == "faithful":
        return FaithfulPool(count, base)
    return (OwnLightPool if apart else LightPool)(count, width, config.rank, config.alpha)

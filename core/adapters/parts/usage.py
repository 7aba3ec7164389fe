"""A running mean of gate weights by task, for methods whose routing depends on the prompt or the token.

It is what the heat map shows for them. A mean since the first step would show what the gates no longer do; here an
example counts less the more of its task came after it. Kept as a buffer, so it is saved with the adapter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WINDOW = 256  # examples of a task after which one counts a third


class GateUsage(nn.Module):
    """Mean gate weights [L, T, S] of a task's latest examples in training; uniform for a task that was not seen."""

    sums: Tensor
    counts: Tensor

    def __init__(self, num_layers: int, num_tasks: int, num_skills: int) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(num_layers, num_tasks, num_skills))
        self.register_buffer("counts", torch.zeros(num_layers, num_tasks))

    @torch.no_grad()
    def fade(self, task_ids: Tensor) -> None:
        """Once a call of training, before its layers: what was seen of its tasks counts less."""
        seen = torch.zeros_like(self.counts[0])
        seen.index_add_(0, task_ids, torch.ones_like(task_ids, dtype=seen.dtype))
        older = torch.exp(-seen / WINDOW)
        self.sums.mul_(older[None, :, None])
        self.counts.mul_(older)

    @torch.no_grad()
    def add(self, layer: int, task_ids: Tensor, gates: Tensor) -> None:
        """gates [b, S]: the mean weights of each example in one layer."""
        self.sums[layer].index_add_(0, task_ids, gates.detach().to(self.sums.dtype))
        self.counts[layer].index_add_(0, task_ids, torch.ones_like(task_ids, dtype=self.counts.dtype))

    def mean(self) -> Tensor:
        uniform = 1.0 / self.sums.shape[-1]
        seen = self.counts[..., None]
        return torch.where(seen > 0, self.sums / seen.clamp_min(1e-12), torch.full_like(self.sums, uniform))

    def add_task(self) -> None:
        layers, _, skills = self.sums.shape
        self.sums = torch.cat([self.sums, self.sums.new_zeros(layers, 1, skills)], 1)
        self.counts = torch.cat([self.counts, self.counts.new_zeros(layers, 1)], 1)

"""Mean gate weights by task, for methods whose routing depends on the prompt or the token: what the heat map shows.

A mean over the training would show what the gates did and no longer do. So they are noted of questions that the
trained gates are asked anew: those of the check set, at every check (core/training/validation.py). Kept as buffers,
so what is noted at a check is saved, and put back, with the adapter of that check.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class GateUsage(nn.Module):
    """Mean gate weights [L, T, S] over the examples noted last; uniform for a task of which there was none.

    is_noting: whether layers are to call `add`; outside of `noting` nothing is counted.
    """

    sums: Tensor
    counts: Tensor

    def __init__(self, num_layers: int, num_tasks: int, num_skills: int) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(num_layers, num_tasks, num_skills))
        self.register_buffer("counts", torch.zeros(num_layers, num_tasks))
        self.is_noting = False

    @contextmanager
    def noting(self, tasks: Sequence[int] | None = None) -> Iterator[None]:
        """Inside, every example that is asked counts; what was noted of these tasks (default: all) before is
        forgotten."""
        with torch.no_grad():
            for kept in (self.sums, self.counts):
                kept[:, slice(None) if tasks is None else list(tasks)] = 0.0
        self.is_noting = True
        try:
            yield
        finally:
            self.is_noting = False

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


@contextmanager
def noting_gates(adapter: nn.Module, tasks: Sequence[int] | None = None) -> Iterator[list[Tensor]]:
    """Notes what the gates of an adapter do with the examples that are asked inside; gives the sums that several
    processes have to add up. Nothing, and [], for a method whose weights hold for the whole task."""
    usage = next((part for part in adapter.modules() if isinstance(part, GateUsage)), None)
    if usage is None:
        yield []
        return
    with usage.noting(tasks):
        yield [usage.sums, usage.counts]

"""What one task mixes, changed after training; the other tasks' numbers stay bit-equal."""

from __future__ import annotations

import torch
from torch import Tensor

from core.adapters.parts.bank import SkillBank
from core.adapters.parts.routing import TaskRouter
from core.adapters.parts.row_changes import SWITCHED_OFF


@torch.no_grad()
def take_row(router: TaskRouter, bank: SkillBank, task: int, other: int) -> None:
    """The task gets the other's row of logits and a copy of its private skills."""
    router.logits[:, task] = router.logits[:, other]
    if bank.num_private:
        bank.private[task].copy_(bank.private[other])


@torch.no_grad()
def scale_common(logits: Tensor, task: int, factors: Tensor) -> None:
    """logits [L, T, A]: gates sigmoid(logits) of a task times factors [A], shrunk together where one would pass its
    largest gate before; rows are normalised anyway, so only their ratios count. A factor of 0 is exactly off."""
    gates = torch.sigmoid(logits[:, task].double())
    wanted = gates * factors.double()
    largest = wanted.amax(-1, keepdim=True).clamp_min(1e-300)
    wanted = wanted * (gates.amax(-1, keepdim=True) / largest).clamp(max=1.0)
    found = torch.logit(wanted.clamp(1e-12, 1 - 1e-7))
    logits[:, task] = torch.where(wanted > 0, found, torch.full_like(found, SWITCHED_OFF)).to(logits.dtype)


@torch.no_grad()
def scale_private(bank: SkillBank, task: int, place: int, factor: float, both: bool) -> None:
    """A private skill's part times `factor`: upper factors, or `both` where they are mixed before the product."""
    for factors in bank.views(bank.private[task][place : place + 1]):
        for up in factors.up:
            up.mul_(factor)
        if both:
            factors.down.mul_(factor)

"""What happens to skills between two trainings: small weights are switched off, a task gets a row and skills."""

from __future__ import annotations

import torch
from torch import nn

from core.adapters.parts.bank import SkillBank
from core.adapters.parts.routing import TaskRouter

SWITCHED_OFF = -1e4  # its sigmoid is exactly zero, with noise too


@torch.no_grad()
def prune_rows(router: TaskRouter, threshold: float) -> int:
    """Switches off common weights below `threshold`, but never a row's largest; returns how many were on before."""
    if not router.logits.numel():
        return 0  # no common skills
    tasks = torch.arange(router.num_tasks, device=router.logits.device)
    weights = router.common_weights(tasks, None)
    small = (weights < threshold) & (weights < weights.amax(-1, keepdim=True)) & (router.logits > SWITCHED_OFF)
    router.logits.masked_fill_(small, SWITCHED_OFF)
    return int(small.sum())


def add_private(bank: SkillBank) -> None:
    """One more task's private skills, initialised like the others."""
    if bank.num_private:
        bank.private.append(nn.Parameter(bank.new_skills(bank.num_private).to(bank.common.device)))


@torch.no_grad()
def add_row(router: TaskRouter, like: int | None = None) -> None:
    """Appends a task: a copy of task `like`'s row, or the mean of all rows."""
    old = router.logits
    row = old[:, like : like + 1] if like is not None else old.mean(1, keepdim=True)
    router.logits = nn.Parameter(torch.cat([old, row], 1))
    if router.private is not None:
        layers, tasks, skills = router.private.shape
        grown = router.private.new_zeros(layers, tasks + 1, skills + router.num_private)
        grown[:, :tasks, :skills] = router.private
        grown[:, tasks, skills:] = 1.0
        router.private = nn.Parameter(grown)

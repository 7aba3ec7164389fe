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


def add_private(bank: SkillBank, like: int | None = None) -> None:
    """One more task's private skills: copies of task `like`'s, or new ones, initialised like the others."""
    if bank.num_private:
        skills = bank.new_skills(bank.num_private) if like is None else bank.private[like].detach().clone()
        bank.private.append(nn.Parameter(skills.to(bank.common.device)))


@torch.no_grad()
def add_row(router: TaskRouter, like: int | None = None) -> None:
    """Appends a task: a copy of task `like`'s row, or the mean of all rows. Where weights of private skills are
    learned, the copy gives the new task's own skills the weights that `like` gives its own."""
    old = router.logits
    row = old[:, like : like + 1] if like is not None else old.mean(1, keepdim=True)
    router.logits = nn.Parameter(torch.cat([old, row], 1))
    if router.private is not None:
        layers, tasks, skills = router.private.shape
        grown = router.private.new_zeros(layers, tasks + 1, skills + router.num_private)
        grown[:, :tasks, :skills] = router.private
        grown[:, tasks, skills:] = 1.0
        if like is not None:
            own = slice(like * router.num_private, (like + 1) * router.num_private)
            grown[:, tasks, :skills] = router.private[:, like]
            grown[:, tasks, skills:] = router.private[:, like, own]
            grown[:, tasks, own] = 0.0
        router.private = nn.Parameter(grown)

"""Rows of a table of logits that are held to a user's wishes through all training.

Bound tasks start from one row and get one gradient, the sum of theirs, so that no optimizer can part them. Skills
that a task may not use are switched off by a logit whose sigmoid is exactly zero, with noise too; its gradient is
zero as well. Both leave the saved numbers what they always were: one row a task.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.adapters.parts.row_changes import SWITCHED_OFF
from core.adapters.wishes import Wishes, allowed_skills


def bind_rows(logits: nn.Parameter, groups: list[list[int]]) -> None:
    """logits [L, T, A]: the tasks of each group have one row from here on."""
    if not groups:
        return
    with torch.no_grad():
        for group in groups:
            logits[:, group] = logits[:, group].mean(1, keepdim=True)

    def summed(gradient: Tensor) -> Tensor:
        changed = gradient.clone()
        for group in groups:
            changed[:, group] = gradient[:, group].sum(1, keepdim=True)
        return changed

    logits.register_hook(summed)


def keep_apart(logits: nn.Parameter, wishes: Wishes) -> None:
    """logits [L, T, A]: tasks that are to be kept apart have no common skill in common."""
    skills = logits.shape[-1]
    with torch.no_grad():
        for task, allowed in allowed_skills(wishes, skills).items():
            denied = [skill for skill in range(skills) if skill not in allowed]
            logits[:, task, denied] = SWITCHED_OFF

"""Rows of a parameter that are held to a user's wishes through all training.

Bound tasks start from one row and get one gradient, the sum of theirs, so that no optimizer can part them. Skills
that a task may not use are switched off by a logit whose sigmoid is exactly zero, with noise too; its gradient is
zero as well. Both leave the saved numbers what they always were: one row a task.

Frozen skills get no gradient, so that the others are clipped as if they were alone, and are put back behind every
step, because weight decay needs no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

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


class FrozenRows:
    """Rows of a parameter that keep their numbers bit for bit."""

    def __init__(self, parameter: nn.Parameter, rows: Mapping[int, Tensor]) -> None:
        self._parameter, self._places = parameter, sorted(rows)
        with torch.no_grad():
            for place, numbers in rows.items():
                parameter[place] = numbers
        self._numbers = parameter.detach()[self._places].clone()
        parameter.register_hook(self._without)

    def _without(self, gradient: Tensor) -> Tensor:
        changed = gradient.clone()
        changed[self._places] = 0.0
        return changed

    @torch.no_grad()
    def put_back(self) -> None:
        self._parameter[self._places] = self._numbers.to(self._parameter)

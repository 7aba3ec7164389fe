"""A bank of skills as it was before the first step, to see what tasks would have it learn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from core.adapters.parts.bank import SkillBank
from core.adapters.parts.routing import TaskRouter

SEED = 0  # of the skills' first factors: the same for every run, so that two runs' maps can be compared


@contextmanager
def untrained(bank: SkillBank, router: TaskRouter) -> Iterator[nn.Parameter]:
    """Inside, common skills are new and mixed alike by all tasks, and private ones add nothing; gives the common
    skills [A, P], which take a gradient. Behind it all numbers are as before, bit for bit."""
    parameters = [*bank.parameters(), router.logits]
    kept = [(parameter.detach().clone(), parameter.requires_grad) for parameter in parameters]
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            for parameter in parameters:
                parameter.zero_()
            bank.common.copy_(bank.new_skills(bank.num_common))
        bank.common.requires_grad_(True)
        yield bank.common
    finally:
        with torch.no_grad():
            for parameter, (numbers, takes_gradient) in zip(parameters, kept, strict=True):
                parameter.copy_(numbers)
                parameter.grad = None
                parameter.requires_grad_(takes_gradient)

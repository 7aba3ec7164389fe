"""Terms added to the loss while training: tasks that choose different skills, gates that use all experts."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-12


def mutual_information(weights: Tensor) -> Tensor:
    """I(T; E) in nats of tasks and skills from p(e | t) = weights [.., T, S], rows that sum to one, all tasks alike
    likely: [..]. At most min(log T, log S).

    Source: Mod-Squad (Chen et al., arXiv 2212.08066, section 3.2), whose loss is lowered by a multiple of it.
    """
    together = weights / weights.shape[-2]
    skills = together.sum(-2, keepdim=True)
    ratio = torch.log(weights.clamp_min(SMALLEST)) - torch.log(skills.clamp_min(SMALLEST))
    return (together * ratio).sum((-2, -1))


def load_balance(gates: Tensor) -> Tensor:
    """N sum_i f_i P_i of gates [.., N] that sum to one: f_i is the share of places whose largest gate is i's, P_i
    the mean gate. 1 when all experts are used alike, N when one does it all; f carries no gradient.

    Source: Switch Transformer (Fedus et al., arXiv 2101.03961, section 2.2), as JiuZhang 2.0 (arXiv 2306.11027) has
    it for experts of tasks.
    """
    flat = gates.flatten(0, -2)
    count = flat.shape[-1]
    largest = flat.detach().argmax(-1)
    # Counted so: `bincount` asks a card for its largest number, and the host waits.
    counts = torch.zeros(count, device=flat.device).index_add_(
        0, largest, torch.ones(len(flat), device=flat.device)
    )
    chosen = counts.to(flat.dtype) / len(flat)
    return count * (chosen * flat.mean(0)).sum()

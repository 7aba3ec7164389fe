"""Calls whose examples answer as mixtures of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from core.adapters.call import Call, build_call


def build_blended_call(blends: Sequence[Mapping[int, float]], num_tasks: int, device: torch.device) -> Call:
    """A call whose examples answer as mixtures of tasks, as prompt-aware routing wants it (WavLLM, arXiv
    2404.00656): the mixing weights of an example are sum_t q_t alpha_t. One task with the share 1 is that task.
    For inference only.

    blends: for each example its tasks' rows with their shares, which are made to sum to one.

    Raises:
        ModelError: no examples, no tasks, or a task the adapter has no row for.
    """
    likeliest = [max(blend, key=lambda task: blend[task]) for blend in blends if blend]
    call = build_call(likeliest if len(likeliest) == len(blends) else None, num_tasks, device, training=False)
    rows = sorted({task for blend in blends for task in blend})
    build_call(rows, num_tasks, device, training=False)  # every one of them must be known
    shares = torch.tensor([[blend.get(task, 0.0) for task in rows] for blend in blends])
    call.rows, call.slots = rows, torch.arange(len(blends), device=device)
    call.blend = (shares / shares.sum(1, keepdim=True)).to(device)
    return call

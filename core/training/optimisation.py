"""The optimizer of a stage: skills and allocation with learning rates of their own, one schedule for both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from core.models.modular import ModularModel
from core.training.config import RunConfig, skill_rate, stage2_rate

REFERENCE_WIDTH = 256  # width of the base model whose learning rates were measured (assets/docs/study.md)


def learning_rates(model: ModularModel, config: RunConfig, stage: int) -> dict[str, float]:
    """Highest learning rate of the skills and of the allocation in a stage.

    Skills: times 256 / width for wider base models. An update of a low-rank factor reaches the output through a sum
    over the width, so the same step moves a wider layer further (the width rule of muP, arXiv 2203.03466; for LoRA
    the rule was not measured here beyond the starter). The allocation's step does not depend on the width.
    """
    sizes: Any = model.base.config
    width: Any = getattr(sizes, "hidden_size", None) or getattr(sizes, "d_model", REFERENCE_WIDTH)
    scale = min(1.0, REFERENCE_WIDTH / width) if config.rate_by_width else 1.0
    allocation = config.learning_rate_allocation if stage == 1 else stage2_rate(config)
    return {"skills": scale * skill_rate(config), "allocation": allocation}


def build_optimizer(model: ModularModel, config: RunConfig, stage: int) -> torch.optim.Optimizer:
    """AdamW over what the stage trains. Parameters without a gradient in a step (private skills of absent tasks)
    are left alone, moments included."""
    rates = learning_rates(model, config, stage)
    groups = [
        {
            "params": parameters,
            "lr": rates.get(name, rates["skills"]),
            "name": name,
            "weight_decay": 0.0 if name == "allocation" else config.weight_decay,
        }
        for name, parameters in model.parameter_groups(stage).items()
        if parameters
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, fused=True)
    optimizer.register_step_post_hook(lambda *_: model.adapter.after_step())
    return optimizer


def schedule_factor(kind: str, warmup: float, steps: int) -> Callable[[int], float]:
    """Step (0-based) -> factor on the learning rates: a linear rise, then constant, linear or cosine down to 0."""
    rise = round(warmup * steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        done = (step - rise) / max(1, steps - rise)
        if kind == "constant":
            return 1.0
        if kind == "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
        return max(0.0, 1.0 - done)

    return factor


class StepSchedule(torch.optim.lr_scheduler.LambdaLR):
    """The factor as a torch schedule that can begin anywhere: rates depend on the step alone."""

    def __init__(self, optimizer: torch.optim.Optimizer, factor: Callable[[int], float], first_step: int) -> None:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        super().__init__(optimizer, factor, last_epoch=first_step - 1)

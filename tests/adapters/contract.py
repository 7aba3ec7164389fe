"""The methods and settings that the contract tests go through, and what they all measure with."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.adapters.registry import METHODS
from core.models.modular import ModularModel

ARCHITECTURES = ("llama", "t5")
# name -> method, settings, stage
VARIANTS: dict[str, tuple[str, dict[str, Any], int]] = {name: (name, {}, 1) for name in METHODS.names()}
VARIANTS |= {
    "cpoly-plain": ("cpoly", {"kernel": "plain"}, 1),
    "cpoly-mix": ("cpoly", {"combine": "mix", "num_private_skills": 2, "rank": 3}, 1),
    "cpoly-paper": ("cpoly", {"private_block": "learnable", "granularity": "model"}, 1),
    "cpoly-heads": ("cpoly", {"routing_heads": 4, "granularity": "block"}, 2),
    "ia3-shared": ("ia3", {"per_task": False}, 1),
    "mta-faithful": ("mta", {"form": "faithful", "upper_share": 1.0}, 1),
    "mta-own": ("mta", {"selector": "own", "upper_share": 1.0}, 1),
    "mta-stage2": ("mta", {"upper_share": 1.0, "own_pair": True}, 2),
    "mta-faithful-stage2": ("mta", {"form": "faithful", "num_shared": 2, "stage2_trains": "all"}, 2),
}
# Weighted means of equal outputs: the declared exception to the identity at the start.
ROUNDED_START = ("mta-faithful", "mta-stage2", "mta-faithful-stage2")
NO_TASK_ALONE = (
    "mta",
    "moe_lora",
    "lora_library",
    "task_moe",
)  # what a question decides cannot be merged for a task
HARD_CHOICE = ("lora_library",)  # a rounded input may choose another expert: far from exact for that token
TASKS = [0, 2, 1, 2]

MARKS = [
    pytest.mark.parametrize("architecture", ARCHITECTURES),
    pytest.mark.parametrize("variant", VARIANTS),  # the fixture `method` reads its row
]


def logits(model: ModularModel, batch: Any, tasks: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=tasks).logits


def same(a: torch.Tensor, b: torch.Tensor, tolerance: float = 2e-5) -> bool:
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


def base_logits(bench: Any, architecture: str) -> torch.Tensor:
    batch = bench.batch(architecture)
    with torch.no_grad():
        return (
            bench.base(architecture)
            .model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels)
            .logits
        )

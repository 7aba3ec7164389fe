"""Private LoRA: one low-rank adapter per task, nothing shared. The single-task baseline.

    y = x W0^T + (x A_t^T) B_t^T

LoRA of Hu et al. (arXiv 2106.09685) with alpha = r for each task; it is C-Poly with no common and one private
skill.

Parameters: T * r * sum over layers (i + o).
"""

from __future__ import annotations

from torch import nn

from core.adapters.parts.definition import SkillCounts
from core.adapters.parts.skills import SkillAdapter
from core.adapters.settings.baselines import PrivateLoraConfig


def build(model: nn.Module, method: str, config: PrivateLoraConfig, num_tasks: int) -> SkillAdapter:
    return SkillAdapter(model, method, config.as_skills(), num_tasks, SkillCounts(0, 1), config)

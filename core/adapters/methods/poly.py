"""Polytropon: common skills mixed per task.

Paper: Ponti et al., "Combining Parameter-efficient Modules for Task-level Generalisation", arXiv 2202.13914,
section 3: theta_t = theta_0 + sum_s w_s phi_s / sum_s w_s, w from the Gumbel-sigmoid of learned logits, one
allocation per layer (or per model by `granularity`). It is C-Poly with no private skills.

What differs from the paper: the form of combination is a setting; `mix` is what the authors' code computes.

Parameters: A * r * sum over layers (i + o) + L*T*A.
"""

from __future__ import annotations

from torch import nn

from core.adapters.parts.definition import SkillCounts
from core.adapters.parts.skills import SkillAdapter
from core.adapters.settings.skills import PolyConfig


def build(model: nn.Module, method: str, config: PolyConfig, num_tasks: int) -> SkillAdapter:
    return SkillAdapter(model, method, config, num_tasks, SkillCounts(config.num_common_skills, 0))

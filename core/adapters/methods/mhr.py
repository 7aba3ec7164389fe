"""MHR: multi-head adapter routing, Polytropon with a mixture for each block of a layer.

Paper: Caccia et al., arXiv 2211.03831, section 3.1: inputs and outputs of a layer are split into H heads, and each
head has a row of the allocation of its own. A's columns of head h and B's rows of head h are mixed by head h's
weights, then the two mixtures are multiplied (`combine: mix`, the paper's form).

What differs from the paper: in the `sum` form the outputs alone are split, because a sum of products has no inner
mixture of inputs.

Parameters: A * r * sum over layers (i + o) + L*H*T*A.
"""

from __future__ import annotations

from torch import nn

from core.adapters.parts.definition import SkillCounts
from core.adapters.parts.skills import SkillAdapter
from core.adapters.settings.skills import MHRConfig


def build(model: nn.Module, method: str, config: MHRConfig, num_tasks: int) -> SkillAdapter:
    counts = SkillCounts(config.num_common_skills, 0, config.routing_heads)
    return SkillAdapter(model, method, config, num_tasks, counts)

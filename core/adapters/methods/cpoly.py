"""C-Poly: customised Polytropon, common and private skills.

Paper: Wang et al., "Customizable Combination of Parameter-Efficient Modules for Multi-Task Learning", ICLR 2024,
arXiv 2312.03248, section 3.2. For task t a layer computes

    y = x W0^T + sum_{i<A} w_i^t phi_i(x) + sum_{j<B} w_j^t phi_j^t(x),   phi_s(x) = (x A_s^T) B_s^T

with w_i^t = sigmoid of a learned logit, noisy in training (Gumbel-sigmoid, tau = 1), divided by the sum over the
common skills. B = 0 is Polytropon; A = 0, B = 1 is one LoRA per task.

What differs from the paper: private weights are fixed to one (truly private) unless `private_block` is learnable,
which is the paper's block that starts as the identity. `combine: sum` is the sum of products that the paper writes,
`mix` the product of averaged factors over the rank that the authors' code computes. Weight decay and momentum never
touch the private skills of tasks that are absent from a batch.

In the first `private_start` of stage 1 the common skills learn alone. With a weight of one and a gradient of its
own from the first step a private skill learns what the tasks have in common too, and the common ones carry little
(measured by tests/benchmarks/planted.py: 4 to 13 % of the gain, against 80 % where they learn first). That costs
check loss on real tasks and helps no new one, so it is off by default.

Parameters: (A + T*B) * r * sum over layers (i + o) + L*H*T*A, and L*H*T*T*B more for a learnable block.
"""

from __future__ import annotations

from torch import nn

from core.adapters.parts.definition import SkillCounts
from core.adapters.parts.skills import SkillAdapter
from core.adapters.settings.skills import CPolyConfig


def build(model: nn.Module, method: str, config: CPolyConfig, num_tasks: int) -> SkillAdapter:
    counts = SkillCounts(
        config.num_common_skills,
        config.num_private_skills,
        config.routing_heads,
        config.private_block == "learnable",
    )
    adapter = SkillAdapter(model, method, config, num_tasks, counts)
    if counts.common:  # somebody has to learn from the first step
        adapter.private_start, adapter.private_dropout = config.private_start, config.private_dropout
    return adapter

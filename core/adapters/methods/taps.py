"""TAPS: every task learns which layers carry its adapter; the others stay those of the base model.

Paper: Wallingford et al., "Task Adaptive Parameter Sharing for Multi-Task Learning", CVPR 2022, arXiv 2203.16708,
section 3:

    w_l = w0_l + 1[s_l >= tau] dw_l,   loss + (lambda / L) sum_l |s_l|

with a score s_l for each task and layer and tau = 0.1. The step is passed straight through: dL/ds_l = <dL/dw_l,
dw_l>, also where the layer is off, so that it can come back. Scores start at 0.15: all layers are on. In the first
`warm_up` of the training the scores rest and nothing is penalised.

What differs from the paper: dw_l is low-rank, B_l A_l; a task never loses its last layer (the one with its largest
score stays). The scores are kept a hundred times as large, since Adam moves every number by its learning rate: a
step of 0.1, the allocation's, moves s by 0.001.

Tasks share nothing (the paper's joint variant too shares the base model alone). A task leaves as a LoRA of its
active layers.

Parameters: T * r * sum over layers (i + o), and T * L scores.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.adapters.base import LoraFactors, ParameterGroups
from core.adapters.call import Call
from core.adapters.parts.definition import SkillCounts, SkillState
from core.adapters.parts.skills import SkillAdapter
from core.adapters.settings.baselines import TAPS_BOUND as THRESHOLD
from core.adapters.settings.baselines import TAPS_SCALE as SCALE
from core.adapters.settings.baselines import TAPS_START as START
from core.adapters.settings.baselines import TapsConfig
from core.adapters.task_change import TaskChange


class TapsAdapter(SkillAdapter):
    def __init__(self, model: nn.Module, method: str, config: TapsConfig, num_tasks: int) -> None:
        super().__init__(model, method, config.as_skills(), num_tasks, SkillCounts(0, 1), config)
        self.penalty, self.warm_up = config.layer_penalty, config.warm_up
        # A parameter for each task: an optimizer leaves those of tasks that are not in a batch alone.
        self.scores = nn.ParameterList([torch.full((len(self.sites),), START * SCALE) for _ in range(num_tasks)])

    def gates(self, tasks: list[int]) -> Tensor:
        """[tasks, L]: 1 for layers that carry the task's adapter, 0 for the others; the gradient is that of s."""
        scores = torch.stack([self.scores[task] for task in tasks]) / SCALE
        with torch.no_grad():
            on = (scores >= scores.max(-1, keepdim=True).values.clamp(max=THRESHOLD)).to(scores.dtype)
        return on + scores - scores.detach()

    def prepare(self, call: Call) -> None:
        """The weights of private LoRA, times each task's gates: [L, 1, m, R]."""
        super().prepare(call)
        state = call.state
        assert isinstance(state, SkillState)
        if call.training and self.trained_share < self.warm_up:
            return
        state.weights = state.weights * self.gates(call.rows).T[:, None, None].to(state.weights.dtype)
        if call.penalties is not None and self.penalty:
            scores = torch.stack([self.scores[task] for task in call.rows]) / SCALE
            call.penalties.append(self.penalty * scores.abs().mean())

    def parameter_groups(self, stage: int) -> ParameterGroups:
        return {"skills": list(self.bank.private), "allocation": list(self.scores)}

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        """Without its adapter a task would have nothing to learn with, whatever is wished."""
        return {"skills": [self.bank.private[task]], "allocation": [self.scores[task]]}

    @torch.no_grad()
    def allocation(self) -> np.ndarray:
        """[L, T, T]: 1 for a task's own adapter in the layers that carry it."""
        gates = self.gates(list(range(self.num_tasks))).T.float().cpu()
        return torch.diag_embed(gates).numpy()

    def allocation_logits(self) -> np.ndarray:
        """[L, T, 1]: the scores."""
        scores = torch.stack(list(self.scores)).detach().float().cpu() / SCALE
        return scores.T[..., None].numpy()

    @torch.no_grad()
    def lora_factors(self, task: int) -> LoraFactors:
        """Of layers that are off a pair of no columns."""
        on = self.gates([task])[0].bool().tolist()
        found = super().lora_factors(task)
        names = [site.name for site in self.sites]
        off = {name for name, is_on in zip(names, on, strict=True) if not is_on}
        return {name: (a[:0], b[:, :0]) if name in off else (a, b) for name, (a, b) in found.items()}

    @torch.no_grad()
    def change_task(self, task: int, change: TaskChange) -> None:
        super().change_task(task, change)
        if change.row_of is not None:
            self.scores[task].copy_(self.scores[change.row_of])

    def grow(self, like: int | None) -> None:
        super().grow(like)
        row = self.scores[like] if like is not None else torch.full_like(self.scores[0], START * SCALE)
        self.scores.append(nn.Parameter(row.detach().clone()))


def build(model: nn.Module, method: str, config: TapsConfig, num_tasks: int) -> TapsAdapter:
    return TapsAdapter(model, method, config, num_tasks)

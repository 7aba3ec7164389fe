"""(IA)^3: learned scales of keys, values and feed-forward activations, of each task's own or shared.

Paper: Liu et al., "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning", arXiv
2205.05638, section 3.3: K -> l_k * K, V -> l_v * V, and the feed-forward network's inner activations -> l_ff *
activations, l = 1 at the start.

What differs from the paper: `per_task` gives every task its own scales. A scale is no low-rank term, so a task
leaves as a merged model, not as a LoRA.

Parameters: (T or 1) * (sum of the outputs of the key and value layers + sum of the inputs of the feed-forward
outputs).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.adapters.base import LinearAdapter, Merger, ParameterGroups
from core.adapters.call import Call
from core.adapters.settings.baselines import IA3Config
from core.adapters.skill import Skill
from core.adapters.targets import Site, find_sites
from core.base.errors import ModelError

SCALED_OUTPUTS = ("k_proj", "v_proj", "k", "v", "key", "value", "query_key_value", "c_attn", "qkv_proj")
SCALED_INPUTS = ("down_proj", "wo", "dense_4h_to_h", "fc2", "w2", "fc_out")
_GPT2_OUTPUT = "mlp.c_proj"


class IA3Adapter(LinearAdapter):
    config: IA3Config

    def __init__(self, model: nn.Module, method: str, config: IA3Config, num_tasks: int) -> None:
        super().__init__(method, config, num_tasks)
        sites = find_sites(model, config)
        self.sites = [s for s in sites if s.leaf in SCALED_OUTPUTS or _scales_input(s)]
        if not self.sites:
            raise ModelError("adapter.no_scales", layers=", ".join(sorted({s.leaf for s in sites})))
        self.sizes = [s.in_features if _scales_input(s) else s.out_features for s in self.sites]
        rows = num_tasks if config.per_task else 1
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(sum(self.sizes))) for _ in range(rows)])
        self.compute_dtype = next(model.parameters()).dtype
        self.wrap_linears(model, self.sites, [[i] for i in range(len(self.sites))])

    def prepare(self, call: Call) -> None:
        """The scales of the tasks present (of the examples in a blended call), split by layer: [m, size] each."""
        rows = call.rows if self.config.per_task else [0]
        scales = torch.stack([self.scales[t] for t in rows]).to(self.compute_dtype)
        scales = call.mixed(scales) if self.config.per_task else scales
        call.state = scales.split(self.sizes, 1)

    def run_group(self, call: Call, group: int, x: Tensor, linears: list[nn.Module]) -> list[Tensor]:
        assert isinstance(call.state, tuple)
        scale: Tensor = call.state[group]
        if self.config.per_task:
            rows = call.slots.repeat_interleave(call.repeats(x.shape[0]))
            scale = scale.index_select(0, rows)[:, None]
        if _scales_input(self.sites[group]):
            return [linears[0](x * scale.to(x.dtype))]
        output = linears[0](x)
        return [output * scale.to(output.dtype)]

    def parameter_groups(self, stage: int) -> ParameterGroups:
        return {"skills": list(self.scales), "allocation": []}

    def skills(self) -> list[Skill]:
        if not self.config.per_task:
            return [Skill("shared", "common")]
        return [Skill(f"private {t + 1}", "private", t) for t in range(self.num_tasks)]

    def layer_names(self) -> list[str]:
        return [site.name for site in self.sites]

    def allocation(self) -> np.ndarray:
        own = np.eye(self.num_tasks) if self.config.per_task else np.ones((self.num_tasks, 1))
        return np.broadcast_to(own.astype(np.float32), (len(self.sites), *own.shape)).copy()

    def allocation_logits(self) -> np.ndarray:
        return np.zeros((len(self.sites), self.num_tasks, 0), dtype=np.float32)

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        return {"skills": [self.scales[task]] if self.config.per_task else [], "allocation": []}

    def grow(self, like: int | None) -> None:
        if self.config.per_task:
            start = self.scales[like] if like is not None else torch.ones_like(self.scales[0])
            self.scales.append(nn.Parameter(start.detach().clone()))

    def merger(self, task: int) -> Merger:
        """A scale of outputs scales the rows of the weight [o, i], one of inputs its columns."""
        scales = self.scales[task if self.config.per_task else 0].split(self.sizes)
        positions = {name: i for i, name in enumerate(self.layer_names())}

        def merge(name: str, weight: Tensor) -> Tensor:
            position = positions[name]
            scale = scales[position].detach().to(weight.dtype)
            return weight * scale if _scales_input(self.sites[position]) else weight * scale[:, None]

        return merge

    def merged_bias(self, name: str, bias: Tensor, task: int) -> Tensor:
        position = self.layer_names().index(name)
        if _scales_input(self.sites[position]):
            return bias
        row = self.scales[task if self.config.per_task else 0]
        return bias * row.split(self.sizes)[position].detach().to(bias.dtype)


def _scales_input(site: Site) -> bool:
    return site.leaf in SCALED_INPUTS or site.name.endswith(_GPT2_OUTPUT)


def build(model: nn.Module, method: str, config: IA3Config, num_tasks: int) -> IA3Adapter:
    return IA3Adapter(model, method, config, num_tasks)

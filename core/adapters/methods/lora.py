"""LoRA shared by all tasks (Hu et al., arXiv 2106.09685): the plain multi-task baseline, computed by PEFT's own
layer.

    y = x W0^T + (alpha / r) (x A^T) B^T,   A Kaiming-uniform, B zero

Only the arithmetic is PEFT's; the wrapper is ours, because PEFT switches adapters off by a flag on the shared
modules, which two threads would fight over. The allocation is one skill with weight 1 for every task.

Parameters: r * sum over layers (i + o).
"""

from __future__ import annotations

import numpy as np
import torch
from peft import LoraConfig as PeftLoraConfig
from peft.tuners.lora import Linear as PeftLinear
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from core.adapters.base import LinearAdapter, LoraFactors, ParameterGroups
from core.adapters.call import Call
from core.adapters.settings.baselines import LoraConfig
from core.adapters.skill import Skill
from core.adapters.targets import find_sites

NAME = "shared"


class LoraAdapter(LinearAdapter):
    config: LoraConfig

    def __init__(self, model: nn.Module, method: str, config: LoraConfig, num_tasks: int) -> None:
        super().__init__(method, config, num_tasks)
        self.sites = find_sites(model, config)
        self.alpha = float(config.rank if config.alpha is None else config.alpha)
        settings = PeftLoraConfig(r=config.rank, lora_alpha=self.alpha)  # type: ignore[arg-type]
        linears = [model.get_submodule(site.name) for site in self.sites]
        self.downs = nn.ParameterList()
        self.ups = nn.ParameterList()
        self._layers: list[PeftLinear] = []
        for linear in linears:
            layer = PeftLinear(
                linear,
                NAME,
                settings,
                r=config.rank,
                lora_alpha=self.alpha,  # type: ignore[arg-type]
                fan_in_fan_out=isinstance(linear, Conv1D),
            )
            layer.lora_A[NAME].float()
            layer.lora_B[NAME].float()
            self.downs.append(layer.lora_A[NAME].weight)
            self.ups.append(layer.lora_B[NAME].weight)
            self._layers.append(layer)
        self.wrap_linears(model, self.sites, [[i] for i in range(len(self.sites))])

    def prepare(self, call: Call) -> None:
        """Nothing depends on the task."""

    def packs(self, batch_size: int) -> bool:
        return True

    def run_group(self, call: Call, group: int, x: Tensor, linears: list[nn.Module]) -> list[Tensor]:
        return [self._layers[group](x)]

    def parameter_groups(self, stage: int) -> ParameterGroups:
        return {"skills": [*self.downs, *self.ups], "allocation": []}

    def grow(self, like: int | None) -> None:
        """A new task uses the shared adapter as it is."""

    @torch.no_grad()
    def lora_factors(self, task: int) -> LoraFactors:
        scale = self.alpha / self.config.rank
        return {
            site.name: (down.detach(), up.detach() * scale)
            for site, down, up in zip(self.sites, self.downs, self.ups, strict=True)
        }

    @torch.no_grad()
    def take_lora(self, factors: LoraFactors) -> None:
        """B is divided by what the output is multiplied with; layers without a pair stay as they are."""
        scale = self.alpha / self.config.rank
        for site, down, up in zip(self.sites, self.downs, self.ups, strict=True):
            if site.name in factors:
                down.copy_(factors[site.name][0])
                up.copy_(factors[site.name][1] / scale)

    def skills(self) -> list[Skill]:
        return [Skill(NAME, "common")]

    def layer_names(self) -> list[str]:
        return [site.name for site in self.sites]

    def allocation(self) -> np.ndarray:
        return np.ones((len(self.sites), self.num_tasks, 1), dtype=np.float32)

    def allocation_logits(self) -> np.ndarray:
        return np.zeros((len(self.sites), self.num_tasks, 0), dtype=np.float32)


def build(model: nn.Module, method: str, config: LoraConfig, num_tasks: int) -> LoraAdapter:
    return LoraAdapter(model, method, config, num_tasks)

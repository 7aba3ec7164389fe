"""A method of a guest: one file, its settings, one entry. It uses every trait that the house offers to a method.

    y = x W0^T + sigmoid(z_t) (x A^T) B^T + (x A_t^T) B_t^T

One common skill whose weight is learned, one private skill a task. Nothing of the house is changed for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from core.adapters.base import LinearAdapter, LoraFactors, ParameterGroups
from core.adapters.call import Call, Linears
from core.adapters.observing import TASK, Observation, Parts, Seen
from core.adapters.settings.places import Capacity, LinearConfig
from core.adapters.settings.shared import GROUP
from core.adapters.skill import Skill
from core.adapters.targets import find_sites
from core.adapters.wishes import Wishes
from core.base.settings import setting

OFF = -1e4


@dataclass(frozen=True)
class DummyConfig(LinearConfig):
    grows_by: ClassVar[str] = "rank"

    rank: int = setting(2, group=GROUP, minimum=1, maximum=16, label="Rank", help="Size of a skill.")
    off_below: float = setting(0.0, group=GROUP, minimum=0.0, maximum=1.0, label="Off below", help="Cut off.")

    def capacity(self, num_tasks: int) -> Capacity:
        return Capacity(2 * self.rank, (1 + num_tasks) * self.rank)

    def cost(self, num_tasks: int) -> Capacity:
        return Capacity(3 * self.rank, (2 + num_tasks) * self.rank)  # its products are not fused


@dataclass
class DummyState:
    weights: Tensor  # [b]


class DummyAdapter(LinearAdapter):
    """Parameters: (1 + T) * r * sum over layers (i + o) + T."""

    config: DummyConfig
    takes_fast_path = False

    def __init__(self, model: nn.Module, method: str, config: DummyConfig, num_tasks: int) -> None:
        super().__init__(method, config, num_tasks)
        self.prune_below = config.off_below
        self.sites = find_sites(model, config)
        self.common = self._new_skill()
        self.private = nn.ModuleList([self._new_skill() for _ in range(num_tasks)])
        self.logits = nn.Parameter(torch.empty(num_tasks).uniform_(-0.1, 0.1))
        self.wrap_linears(model, self.sites, [[i] for i in range(len(self.sites))])

    def _new_skill(self) -> nn.ParameterList:
        """A and B of every layer, one behind the other; B is zero."""
        skill = nn.ParameterList()
        for site in self.sites:
            bound = site.in_features**-0.5
            skill.append(nn.Parameter(torch.empty(self.config.rank, site.in_features).uniform_(-bound, bound)))
            skill.append(nn.Parameter(torch.zeros(site.out_features, self.config.rank)))
        return skill

    def prepare(self, call: Call) -> None:
        weights = torch.sigmoid(self.logits[call.rows])
        call.state = DummyState(call.mixed(weights) if call.blend is not None else weights[call.slots])

    def run_group(self, call: Call, group: int, x: Tensor, linears: Linears) -> list[Tensor]:
        assert isinstance(call.state, DummyState)
        times = call.repeats(x.shape[0])
        inner, shares = x.float(), self._shares(call).repeat_interleave(times, 0)
        delta = call.state.weights.repeat_interleave(times)[:, None, None] * self._term(self.common, group, inner)
        for slot, task in enumerate(call.rows):
            delta = delta + shares[:, slot, None, None] * self._term(self.private[task], group, inner)
        base = linears[0](x)
        return [base + delta.to(base.dtype)]

    def _shares(self, call: Call) -> Tensor:
        """[b, rows]: how much of each present task's private skill an example takes."""
        return torch.eye(len(call.rows), device=call.slots.device)[call.slots] if call.blend is None else call.blend

    def _term(self, skill: nn.Module, group: int, x: Tensor) -> Tensor:
        assert isinstance(skill, nn.ParameterList)
        return x @ skill[2 * group].T @ skill[2 * group + 1].T

    def parameter_groups(self, stage: int) -> ParameterGroups:
        skills = [*self.common.parameters(), *self.private.parameters()] if stage == 1 else []
        return {"skills": skills, "allocation": [self.logits]}

    def take_wishes(self, wishes: Wishes) -> None:
        groups = wishes.groups()

        def summed(gradient: Tensor) -> Tensor:
            changed = gradient.clone()
            for group in groups:
                changed[group] = gradient[group].sum()
            return changed

        with torch.no_grad():
            for group in groups:
                self.logits[group] = self.logits[group].mean()
        self.logits.register_hook(summed)

    def packs(self, batch_size: int) -> bool:
        return False

    def skills(self) -> list[Skill]:
        own = [Skill(f"own {t + 1}", "private", t) for t in range(self.num_tasks)]
        return [Skill("shared", "common"), *own]

    def layer_names(self) -> list[str]:
        return ["model"]

    def adapted_names(self) -> list[str]:
        return [site.name for site in self.sites]

    def allocation(self) -> np.ndarray:
        common = torch.sigmoid(self.logits.detach()).cpu().numpy()[:, None]
        return np.concatenate([common, np.eye(self.num_tasks, dtype=np.float32)], 1)[None]

    def allocation_entries(self) -> np.ndarray:
        return self.allocation()[:, :, :1]

    def allocation_logits(self) -> np.ndarray:
        return self.logits.detach().cpu().numpy()[None, :, None]

    def grow(self, like: int | None) -> None:
        row = self.logits.detach()[like : like + 1] if like is not None else self.logits.detach().mean().reshape(1)
        self.logits = nn.Parameter(torch.cat([self.logits.detach(), row]))
        self.private.append(self._new_skill())

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        own = list(self.private[task].parameters()) if with_private else []
        return {"skills": own, "allocation": [self.logits]}

    @torch.no_grad()
    def prune(self, threshold: float) -> int:
        small = (torch.sigmoid(self.logits) < threshold) & (self.logits > OFF)
        self.logits.masked_fill_(small, OFF)
        return int(small.sum())

    @torch.no_grad()
    def lora_factors(self, task: int) -> LoraFactors:
        weight, found, own = torch.sigmoid(self.logits[task]), {}, self.private[task]
        assert isinstance(own, nn.ParameterList)
        for i, site in enumerate(self.sites):
            down = torch.cat([self.common[2 * i], own[2 * i]])
            found[site.name] = (down, torch.cat([weight * self.common[2 * i + 1], own[2 * i + 1]], 1))
        return found

    @torch.no_grad()
    def take_lora(self, factors: LoraFactors) -> None:
        self.logits.fill_(-OFF)
        for parameter in self.private.parameters():
            parameter.zero_()
        for i, site in enumerate(self.sites):
            if site.name in factors:
                self.common[2 * i].copy_(factors[site.name][0])
                self.common[2 * i + 1].copy_(factors[site.name][1])

    def observe(self, seen: Seen) -> Observation:
        weights = torch.from_numpy(self.allocation()[:, seen.task]).float()
        (parts,) = self.measure_parts(seen)
        sizes = torch.zeros_like(weights)
        sizes[0, [0, 1 + seen.task]] = torch.tensor([np.mean(parts.common), np.mean(parts.private)]).float()
        return Observation(TASK, weights, None, sizes, None)

    def measure_parts(self, seen: Seen) -> list[Parts]:
        assert isinstance(seen.call.state, DummyState)
        weights, tasks = seen.call.state.weights.view(-1, 1, 1), seen.call.task_ids.tolist()
        found = [Parts() for _ in tasks]
        for i, site in enumerate(self.sites):
            x, base = seen.layer(site.name)
            common = weights * self._term(self.common, i, x)
            own = torch.cat([self._term(self.private[task], i, x[[row]]) for row, task in enumerate(tasks)])
            for name, term in (("common", common), ("private", own), ("base", base)):
                for parts, size in zip(found, seen.mean_size(term).tolist(), strict=True):
                    getattr(parts, name).append(size)
        return found

    @property
    def can_switch_off(self) -> bool:
        return True

    @contextmanager
    def switch_off(self, column: int) -> Iterator[None]:
        skill = self.common if column == 0 else self.private[column - 1]
        kept = [parameter.detach().clone() for parameter in skill.parameters()]
        with torch.no_grad():
            for parameter in skill.parameters():
                parameter.zero_()
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, old in zip(skill.parameters(), kept, strict=True):
                    parameter.copy_(old)


def build(model: nn.Module, method: str, config: DummyConfig, num_tasks: int) -> DummyAdapter:
    return DummyAdapter(model, method, config, num_tasks)

"""What is asked of skills and done to them apart from computing with them: names, the allocation, a task as one
LoRA, what each adds, growing and pruning."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from core.adapters.base import LinearAdapter, LoraFactors, ParameterGroups
from core.adapters.observing import Observation, Parts, Seen
from core.adapters.parts.bank import SkillBank
from core.adapters.parts.changed_rows import scale_common, scale_private, take_row
from core.adapters.parts.definition import SkillCounts, SkillState
from core.adapters.parts.held_rows import FrozenRows, bind_rows, keep_apart
from core.adapters.parts.lora_form import lora_of_mix, lora_of_sum, skill_products
from core.adapters.parts.observed_skills import Layer, observe_skills, part_sizes
from core.adapters.parts.penalties import mutual_information
from core.adapters.parts.routing import TaskRouter
from core.adapters.parts.row_changes import add_private, add_row, prune_rows
from core.adapters.parts.switching import switched_off
from core.adapters.parts.untrained import untrained
from core.adapters.registry import METHODS
from core.adapters.settings.skills import SkillConfig
from core.adapters.skill import Skill
from core.adapters.targets import Site
from core.adapters.task_change import TaskChange
from core.adapters.wishes import Wishes
from core.base.errors import ModelError

WIDEST_PACKED = 64  # columns of a layer


class SkillReports(LinearAdapter):
    """The half of a skill adapter that no forward pass runs through."""

    options: SkillConfig
    counts: SkillCounts
    sites: list[Site]
    bank: SkillBank
    router: TaskRouter
    places: list[str]  # layers, blocks or the model: what has an allocation of its own
    place_of_site: list[int]  # empty where each layer has its own, or all share one
    frozen: FrozenRows | None = None

    def by_site(self, weights: Tensor) -> Tensor:
        """Weights [places with an allocation, ...] as those of the adapted layers, [L, ...]."""
        if self.place_of_site:
            return weights[self.place_of_site]
        return weights.expand(len(self.sites), *weights.shape[1:])

    def require_heads(self) -> None:
        """Raises ModelError where a layer cannot be cut into that many routing heads."""
        heads = self.counts.heads
        for site in self.sites:
            if site.in_features % heads or site.out_features % heads:
                sizes = {"inputs": site.in_features, "outputs": site.out_features}
                raise ModelError("adapter.heads", heads=heads, layer=site.name, **sizes)

    def packs(self, batch_size: int) -> bool:
        """The fast path with all skills side by side, unless these are so many that they cost more than padding."""
        counts, options = self.counts, self.options
        present = self.num_tasks if counts.learnable else min(self.num_tasks, batch_size)
        columns = (counts.common + present * counts.private) * options.rank
        simple = self.takes_fast_path and options.combine == "sum" and counts.heads == 1
        return simple and columns <= WIDEST_PACKED

    def parameter_groups(self, stage: int) -> ParameterGroups:
        """Stage 1: skills and allocation; stage 2: the allocation alone, refined without noise."""
        allocation = [p for p in self.router.parameters() if p.numel()]
        if stage == 1:
            return {"skills": [p for p in self.bank.parameters() if p.numel()], "allocation": allocation}
        return {"skills": [], "allocation": allocation}

    def penalties(self) -> list[Tensor]:
        """Minus the information that task and common skill have of each other, the mean over the layers."""
        if not (self.options.specialise and self.counts.common > 1 and self.num_tasks > 1):
            return []
        tasks = torch.arange(self.num_tasks, device=self.router.logits.device)
        shared = mutual_information(self.router.common_weights(tasks, None)).mean()
        return [-self.options.specialise * shared]

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        allocation = [p for p in self.router.parameters() if p.numel()]
        private = [self.bank.private[task]] if with_private and self.counts.private else []
        return {"skills": private, "allocation": allocation}

    def change_task(self, task: int, change: TaskChange) -> None:
        """Learned private weights are not changed: their skills are other tasks' too."""
        if self.counts.learnable:
            raise ModelError("adapter.no_change", method=METHODS.get(self.method).title)
        if change.row_of is not None:
            take_row(self.router, self.bank, task, change.row_of)
        factors = torch.ones(self.counts.common)
        for column, factor in change.scale.items():
            if column < self.counts.common:
                factors[column] = factor
            else:
                owner, place = divmod(column - self.counts.common, self.counts.private)
                scale_private(self.bank, owner, place, factor, self.options.combine == "mix")
        if not bool((factors == 1.0).all()):
            scale_common(self.router.logits, task, factors.to(self.router.logits.device))

    def take_wishes(self, wishes: Wishes) -> None:
        """Private LoRA has no common skills: its tasks are apart already."""
        if not self.counts.common:
            if wishes.bound:
                raise ModelError("adapter.no_wishes", method=METHODS.get(self.method).title)
            return
        bind_rows(self.router.logits, wishes.groups())
        keep_apart(self.router.logits, wishes)

    def freeze_skills(self, factors: Mapping[int, Tensor]) -> None:
        if not self.counts.common:
            raise ModelError("wish.cannot_frozen", method=METHODS.get(self.method).title)
        wanted, known = self.bank.common.shape[1:], range(self.counts.common)
        for place, numbers in factors.items():
            if place not in known or numbers.shape != wanted:
                values = {"found": str(tuple(numbers.shape)), "wanted": str(tuple(wanted)), "place": place + 1}
                raise ModelError("wish.frozen_size", **values)
        self.frozen = FrozenRows(self.bank.common, factors)

    def after_step(self) -> None:
        if self.frozen is not None:
            self.frozen.put_back()

    def grow(self, like: int | None) -> None:
        add_row(self.router, like)
        add_private(self.bank)

    def prune(self, threshold: float) -> int:
        """Switches off common skills whose mixing weight is below `threshold` (each row keeps its largest); returns
        how many. The others are renormalised."""
        return prune_rows(self.router, threshold)

    def skills(self) -> list[Skill]:
        common = [Skill(f"common {i + 1}", "common") for i in range(self.counts.common)]
        private = [
            Skill(f"private {t + 1}" + (f".{j + 1}" if self.counts.private > 1 else ""), "private", t)
            for t in range(self.num_tasks)
            for j in range(self.counts.private)
        ]
        return common + private

    def layer_names(self) -> list[str]:
        names, heads = self.places, self.counts.heads
        return names if heads == 1 else [f"{name} head {h + 1}" for name in names for h in range(heads)]

    def adapted_names(self) -> list[str]:
        return [site.name for site in self.sites]

    def allocation(self) -> np.ndarray:
        return self.router.allocation().float().cpu().numpy()

    def allocation_entries(self) -> np.ndarray:
        """The gates of the common skills, sigmoid of the logits."""
        return torch.sigmoid(self.router.logits.detach()).float().cpu().numpy()

    def allocation_logits(self) -> np.ndarray:
        return self.router.logits.detach().float().cpu().numpy()

    @torch.no_grad()
    def lora_factors(self, task: int) -> LoraFactors:
        """sum: the factors of the active skills side by side, B scaled by the weights; mix: the mixed factors."""
        heads = self.counts.heads
        tasks = self.router.gathered_tasks([task])  # others' private skills have no weight
        weights = self.by_site(self.router.weights_of(task, tasks).unflatten(0, (-1, heads)))
        found: LoraFactors = {}
        for shape, factors in zip(self.bank.shapes, self.bank.gather(tasks, torch.float32), strict=True):
            for k, member in enumerate(shape.members):
                form = lora_of_sum if self.options.combine == "sum" else lora_of_mix
                found[self.sites[member].name] = form(factors.down[:, k], factors.up[k], weights[member])
        return found

    def observe(self, seen: Seen) -> Observation:
        """Weights by layer (the mean over routing heads) and every used skill's part."""
        tasks = self.router.gathered_tasks(seen.call.rows)
        skills = self.skills()
        used = [i for i, skill in enumerate(skills) if skill.task is None or skill.task in tasks]
        return observe_skills(self._layers(seen), used, len(skills))

    def measure_parts(self, seen: Seen) -> list[Parts]:
        return part_sizes(self._layers(seen), self.counts.common, seen)

    @torch.no_grad()
    def delta_products(self) -> Tensor | None:
        """Each skill's factors are met once, not once a task that mixes them: with T tasks a T-th of the work."""
        if self.options.combine != "sum":
            return None
        everyone, heads = list(range(self.num_tasks)), self.counts.heads
        weights = self.by_site(self.router.allocation().unflatten(0, (-1, heads)))
        total = weights.new_zeros(self.num_tasks, self.num_tasks, dtype=torch.float64)
        for shape, factors in zip(self.bank.shapes, self.bank.gather(everyone, torch.float32), strict=True):
            for k, member in enumerate(shape.members):
                for head, alike in enumerate(skill_products(factors.down[:, k], factors.up[k], heads)):
                    total += (weights[member, head] @ alike @ weights[member, head].T).double()
        return total

    @property
    def can_switch_off(self) -> bool:
        return len(self.skills()) > 1

    def switch_off(self, column: int) -> AbstractContextManager[None]:
        return switched_off(self.bank, column)

    def as_untrained(self) -> AbstractContextManager[nn.Parameter | None]:
        return untrained(self.bank, self.router) if self.counts.common else nullcontext()

    def _layers(self, seen: Seen) -> list[Layer]:
        """In the order of `adapted_names`."""
        state = seen.call.state
        assert isinstance(state, SkillState)
        places = {m: (g, k) for g, shape in enumerate(self.bank.shapes) for k, m in enumerate(shape.members)}
        return [Layer.of(state, *places[index], *seen.layer(site.name)) for index, site in enumerate(self.sites)]

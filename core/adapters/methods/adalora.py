"""AdaLoRA: one low-rank adapter for all tasks whose layers compete for their ranks while it learns.

Paper: Zhang et al., "Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning", ICLR 2023, arXiv 2303.10512,
sections 3.1 to 3.3, in the form of PEFT's `RankAllocator`, which a test compares with:

    y = x W0^T + ((x Q^T) diag(e)) P^T,   loss + g * mean over Q and P of all layers of |Q Q^T - I|_F, |P^T P - I|_F

Q [r, i], P [o, r], e [r] in every layer, e zero at first. A rank is a triplet (column of P, number of e, row of Q).
After every step, with w the number and dL/dw its gradient:

    I = |w dL/dw|,   S <- .85 S + .15 I,   U <- .85 U + .15 |I - S|,   s = S U
    importance of a triplet = s(e) + mean s(its row of Q) + mean s(its column of P)

The budget of ranks of the whole model is R L at the beginning (R = `start_rank`, L layers), falls from `prune_from`
on as b + (R - r) L (1 - progress)^3 and is b = r L (r = `rank`) from `prune_until` on; both are shares of the
training. As many triplets as the budget has places keep their e, the others' is zero; until `prune_until` a triplet
may come back.

What differs from the paper: the ranks are dealt out at every step (PEFT's default); of equal importances the first
ones stay, so that the budget is met exactly; no scaling alpha / r. The adapter that a run keeps is never one from
before the budget was met, unless the run ends there.

S, U and the mask are saved with the adapter, so a resumed run deals out the same ranks. As an export a task is a
plain LoRA of the ranks that are left.

Parameters: R * sum over layers (i + o + 1); the saved file holds twice as many numbers more, S and U.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from core.adapters.base import LinearAdapter, LoraFactors, ParameterGroups
from core.adapters.call import Call, Linears, fast_outputs
from core.adapters.parts.bank import SkillBank, group_shapes
from core.adapters.parts.definition import SkillCounts, SkillState, plain_deltas
from core.adapters.settings.baselines import AdaLoraConfig
from core.adapters.skill import Skill
from core.adapters.targets import find_sites, group_sites, weight_out_in

SMOOTHING = 0.85  # of sensitivity and of uncertainty, as in the paper
DRAWN = 0.02  # standard deviation of Q and P at the start
WIDEST_PACKED = 64  # columns of a layer


class AdaLoraAdapter(LinearAdapter):
    """A rank is a skill of rank one that all tasks share; e [L, R] are the weights of the skills."""

    config: AdaLoraConfig
    kept: Tensor  # [L, R] bool: the triplets that have a place in the budget

    def __init__(self, model: nn.Module, method: str, config: AdaLoraConfig, num_tasks: int) -> None:
        # The number stays what it was when `rank` gets another default.
        super().__init__(method, replace(config, start_rank=config.first_rank()), num_tasks)
        ranks = config.first_rank()
        self.sites = find_sites(model, config)
        groups = group_sites(self.sites, model)
        self.bank = SkillBank(group_shapes(self.sites, groups), 1, ranks, 0, num_tasks)
        self.counts = SkillCounts(ranks, 0)
        self._dealt: int | None = None  # places that were given away last in this process
        nn.init.normal_(self.bank.common, std=DRAWN)
        self.values = nn.Parameter(torch.zeros(len(self.sites), ranks))
        self.register_buffer("kept", torch.ones(len(self.sites), ranks, dtype=torch.bool))
        for name, parameter in self._weighed().items():
            self.register_buffer(f"{name}_sensitivity", torch.zeros_like(parameter))
            self.register_buffer(f"{name}_uncertainty", torch.zeros_like(parameter))
        self.compute_dtype = weight_out_in(model.get_submodule(self.sites[0].name)).dtype
        self.wrap_linears(model, self.sites, groups)

    def _weighed(self) -> dict[str, nn.Parameter]:
        return {"factors": self.bank.common, "values": self.values}

    def packs(self, batch_size: int) -> bool:
        return self.counts.common <= WIDEST_PACKED

    def prepare(self, call: Call) -> None:
        """One row of weights for whatever task."""
        weights = self.values.to(self.compute_dtype)[:, None, None]
        slots = torch.zeros_like(call.slots)
        factors = self.bank.gather([], self.compute_dtype)
        call.state = SkillState(factors, self.bank.shapes, weights, slots, "sum", self.counts, None)
        if call.penalties is not None and self.config.orthogonality:
            call.penalties.append(self.config.orthogonality * self.skew())

    def run_group(self, call: Call, group: int, x: Tensor, linears: Linears) -> list[Tensor]:
        quick = fast_outputs(call, group, x, linears)
        if quick is not None:
            return quick
        assert isinstance(call.state, SkillState)
        mixture = call.state.mixture(group)
        rows = mixture.slots.repeat_interleave(call.repeats(x.shape[0]))
        deltas = plain_deltas(x.to(self.compute_dtype), mixture, rows)
        bases = [linear(x) for linear in linears]
        return [base + delta.to(base.dtype) for base, delta in zip(bases, deltas, strict=True)]

    def skew(self) -> Tensor:
        """How far Q and P are from orthonormal: the mean over all of them of the Frobenius norm of what is left."""
        products = []
        for factors in self.bank.views(self.bank.common):
            rows = [*factors.down[:, :, 0].unbind(1), *(up[..., 0] for up in factors.up)]  # each [R, i or o]
            products += [row @ row.T for row in rows]
        stacked = torch.stack(products)
        return torch.linalg.matrix_norm(stacked - torch.eye(stacked.shape[-1], device=stacked.device)).mean()

    @torch.no_grad()
    def after_step(self) -> None:
        """Weighs every number by its gradient, deals out the ranks, and takes e from those without a place."""
        config, done = self.config, self.trained_share
        if done < config.prune_until:
            self._weigh()
            if done > config.prune_from:
                left = 1 - (done - config.prune_from) / (config.prune_until - config.prune_from)
                self._deal(int((self.kept.numel() - self.budget) * left**3 + self.budget))
        elif self._dealt != self.budget:  # what a card would have to be asked, see `settled`
            self._deal(self.budget)
        self.values.masked_fill_(~self.kept, 0.0)

    @property
    def budget(self) -> int:
        """The ranks of the whole model at the end."""
        return self.config.rank * len(self.sites)

    @property
    def settled(self) -> bool:
        return int(self.kept.sum()) <= self.budget

    def _weigh(self) -> None:
        for name, parameter in self._weighed().items():
            if parameter.grad is None:
                continue
            mean, spread = getattr(self, f"{name}_sensitivity"), getattr(self, f"{name}_uncertainty")
            now = (parameter * parameter.grad).abs()
            mean.lerp_(now, 1 - SMOOTHING)
            spread.lerp_((now - mean).abs(), 1 - SMOOTHING)

    def importance(self) -> Tensor:
        """[L, R] of every triplet."""
        factors = self.bank.views(self.factors_sensitivity * self.factors_uncertainty)  # type: ignore[operator]
        found = self.values_sensitivity * self.values_uncertainty  # type: ignore[operator]
        for shape, group in zip(self.bank.shapes, factors, strict=True):
            for k, member in enumerate(shape.members):
                found[member] += group.down[:, k, 0].mean(-1) + group.up[k][..., 0].mean(-1)
        return found

    def _deal(self, budget: int) -> None:
        """The `budget` triplets of most importance keep their places."""
        self._dealt = budget
        order = self.importance().flatten().sort(descending=True, stable=True).indices
        self.kept.zero_().view(-1)[order[:budget]] = True

    def parameter_groups(self, stage: int) -> ParameterGroups:
        """e learns at the rate of the skills."""
        return {"skills": [self.bank.common], "values": [self.values], "allocation": []}

    def grow(self, like: int | None) -> None:
        """A new task uses the shared adapter as it is."""

    @torch.no_grad()
    def lora_factors(self, task: int) -> LoraFactors:
        """The ranks that are left, P scaled by e."""
        found: LoraFactors = {}
        for shape, factors in zip(self.bank.shapes, self.bank.views(self.bank.common.detach()), strict=True):
            for k, member in enumerate(shape.members):
                kept = self.kept[member]
                values = self.values[member][kept].detach()
                found[self.sites[member].name] = factors.down[kept, k, 0], factors.up[k][kept, :, 0].T * values
        return found

    def skills(self) -> list[Skill]:
        return [Skill("rank kept", "common")]

    def layer_names(self) -> list[str]:
        return [site.name for site in self.sites]

    def allocation(self) -> np.ndarray:
        """[L, T, 1]: the share of its first ranks that a layer kept, the same for all tasks."""
        shares = self.kept.float().mean(1).cpu().numpy()
        return np.repeat(shares[:, None, None], self.num_tasks, 1)

    def allocation_logits(self) -> np.ndarray:
        return np.zeros((len(self.sites), self.num_tasks, 0), dtype=np.float32)


def build(model: nn.Module, method: str, config: AdaLoraConfig, num_tasks: int) -> AdaLoraAdapter:
    return AdaLoraAdapter(model, method, config, num_tasks)

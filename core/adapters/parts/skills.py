"""The adapter of low-rank skills mixed per task: what C-Poly, Polytropon, MHR and private LoRA are settings of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from core.adapters.base import LinearAdapter, LoraFactors, ParameterGroups, Skill
from core.adapters.call import Call, mix_rows
from core.adapters.fast.fused import (
    WIDEST_STACK,
    Fused,
    fits,
    fuse_by_task,
    fuse_mixed,
    fuse_stacked,
    run_fused,
    spread,
)
from core.adapters.fast.recompute import find_source
from core.adapters.parts.bank import GroupFactors, GroupShape, SkillBank, group_shapes
from core.adapters.parts.definition import Mixture, lora_of_mix, lora_of_sum, plain_deltas
from core.adapters.parts.routing import TaskRouter
from core.adapters.settings.places import LinearConfig
from core.adapters.settings.skills import SkillConfig
from core.adapters.targets import find_sites, group_sites, weight_out_in
from core.base.errors import ModelError

WIDEST_PACKED = 64  # columns of a layer


@dataclass(frozen=True)
class SkillCounts:
    """A common and B private skills, H routing heads, and whether the private weights are learned."""

    common: int
    private: int
    heads: int = 1
    learnable: bool = False


@dataclass(eq=False)
class SkillState:
    """What one call needs in every group: the definition's inputs, and the fast path's layout of them.

    weights [L, H, m, S]: layers, routing heads, rows of weights, skills; slots [b]: the row of each example,
    task_slots [b] its task among those present, None where an example is a mixture of tasks.
    """

    shapes: list[GroupShape]
    factors: list[GroupFactors]
    weights: Tensor
    slots: Tensor
    combine: str
    counts: SkillCounts
    task_slots: Tensor | None
    fused: list[Fused] = field(default_factory=list)
    by_times: dict[tuple[int, int], Fused] = field(default_factory=dict)

    def mixture(self, group: int) -> Mixture:
        members = self.shapes[group].members
        first, last = members[0], members[-1]
        neighbours = members == tuple(range(first, last + 1))
        chosen = self.weights[first : last + 1] if neighbours else self.weights[list(members)]
        return Mixture(self.factors[group], chosen, self.slots, self.combine)

    def fuse_all(self, stack: bool = False) -> list[Fused]:
        """The fast path's layout of every group; `stack`: side by side, however many skills there are."""
        if self.combine == "mix" or self.weights.shape[1] > 1:
            return [fuse_mixed(self.mixture(group)) for group in range(len(self.shapes))]
        rank = self.factors[0].down.shape[2]
        order = [member for shape in self.shapes for member in shape.members]
        weights = self.weights[:, 0]
        if order != sorted(order):
            weights = weights[order]
        sizes = [len(shape.members) for shape in self.shapes]
        own = self.counts.private and not self.counts.learnable and self.task_slots is not None
        if weights.shape[2] * rank > WIDEST_STACK and own and not stack:
            return self._fuse_by_task(weights.index_select(1, self.slots), sizes, rank)
        scales = spread(weights, rank).transpose(0, 1).split(sizes, 1)
        pairs = zip(self.factors, scales, strict=True)
        return [fuse_stacked(factors, scale, self.slots) for factors, scale in pairs]

    def _fuse_by_task(self, weights: Tensor, sizes: list[int], rank: int) -> list[Fused]:
        """weights [L, b, S]; of the private ones an example keeps its own, whose weight is one."""
        common, private = self.counts.common, self.counts.private
        assert self.task_slots is not None  # the caller has looked
        own = weights.new_ones(*weights.shape[:2], private)
        scales = spread(torch.cat([weights[..., :common], own], -1), rank).transpose(0, 1).split(sizes, 1)
        pairs = zip(self.factors, scales, strict=True)
        return [fuse_by_task(factors, scale, common, private, self.task_slots) for factors, scale in pairs]

    def by_token(self, group: int, owners: Tensor) -> Fused:
        """For packed examples; owners [N]: the example of each token."""
        fused = self.fused[group]
        if fused.scale is None:
            return fused
        return Fused(fused.down, fused.up, fused.scale.index_select(0, owners)[None], None)

    def repeated(self, group: int, times: int) -> Fused:
        if times == 1:
            return self.fused[group]
        if (group, times) not in self.by_times:
            self.by_times[group, times] = self.fused[group].repeated(times)
        return self.by_times[group, times]


class SkillAdapter(LinearAdapter):
    """Parameters: (A + T*B) * r * sum over layers (i + o) for the skills, L*H*T*A for the allocation (L = 1 when
    one allocation serves the whole model), and L*H*T*T*B for a learnable private block.
    """

    options: SkillConfig

    def __init__(
        self,
        model: nn.Module,
        method: str,
        options: SkillConfig,
        num_tasks: int,
        counts: SkillCounts,
        config: LinearConfig | None = None,
    ) -> None:
        super().__init__(method, config or options, num_tasks)
        self.options = options
        if counts.common + counts.private < 1:
            raise ModelError("adapter.no_skills")
        self.counts = counts
        self.sites = find_sites(model, options)
        _require_heads(self, counts.heads)
        groups = group_sites(self.sites, model)
        shapes = group_shapes(self.sites, groups)
        self.bank = SkillBank(shapes, options.rank, counts.common, counts.private, num_tasks)
        layers = len(self.sites) if options.granularity == "layer" else 1
        self.router = TaskRouter(layers * counts.heads, num_tasks, counts.common, counts.private, counts.learnable)
        self.compute_dtype = weight_out_in(model.get_submodule(self.sites[0].name)).dtype
        self.wrap_linears(model, self.sites, groups)

    def prepare(self, call: Call) -> None:
        """Mixing weights and factors of all layers, once for the call: [L, H, m, S].

        With noise every example draws its own weights (m = b), as in Polytropon's code; without it every distinct
        task has one row (m = distinct tasks); in a blended call every example has its own (m = b).
        """
        noisy = call.training and self.options.noise and self.stage == 1 and self.counts.common > 0
        distinct = torch.tensor(call.rows).to(call.task_ids.device, non_blocking=True)
        tasks = call.task_ids if noisy else distinct
        slots = torch.arange(len(tasks), device=tasks.device) if noisy else call.slots
        gathered = self.router.gathered_tasks(call.rows)
        weights = self.router.common_weights(tasks, self.options.temperature if noisy else None)
        if self.counts.private:
            weights = torch.cat([weights, self.router.private_weights(tasks, gathered)], -1)
        weights = mix_rows(call, weights, 1)
        weights = weights.unflatten(0, (-1, self.counts.heads)).to(self.compute_dtype)
        weights = weights.expand(len(self.sites), -1, -1, -1)
        factors = self.bank.gather(gathered, self.compute_dtype)
        own = None if call.blend is not None else call.slots
        state = SkillState(self.bank.shapes, factors, weights, slots, self.options.combine, self.counts, own)
        if self.options.kernel == "fused":
            state.fused = state.fuse_all(stack=call.packing is not None)
        call.state = state

    def packs(self, batch_size: int) -> bool:
        """The fast path with all skills side by side, unless these are so many that they cost more than padding."""
        counts, options = self.counts, self.options
        present = self.num_tasks if counts.learnable else min(self.num_tasks, batch_size)
        columns = (counts.common + present * counts.private) * options.rank
        simple = options.kernel == "fused" and options.combine == "sum" and counts.heads == 1
        return simple and columns <= WIDEST_PACKED

    def run_group(self, call: Call, group: int, x: Tensor, linears: list[nn.Module]) -> list[Tensor]:
        state: SkillState = call.state
        if call.owners is not None:
            if not (state.fused and fits(x, state.fused[group], linears)):
                raise ModelError("adapter.not_packed")
            return run_fused(x, state.by_token(group, call.owners), linears, find_source(call, x))
        times = call.repeats(x.shape[0])
        if state.fused and fits(x, state.fused[group], linears):
            return run_fused(x, state.repeated(group, times), linears, find_source(call, x))
        mixture = state.mixture(group)
        rows = mixture.slots.repeat_interleave(times)
        deltas = plain_deltas(x.to(self.compute_dtype), mixture, rows)
        bases = [linear(x) for linear in linears]
        return [base + delta.to(base.dtype) for base, delta in zip(bases, deltas, strict=True)]

    def parameter_groups(self, stage: int) -> ParameterGroups:
        """Stage 1: skills and allocation; stage 2: the allocation alone, refined without noise."""
        allocation = [p for p in self.router.parameters() if p.numel()]
        if stage == 1:
            return {"skills": [p for p in self.bank.parameters() if p.numel()], "allocation": allocation}
        return {"skills": [], "allocation": allocation}

    def grow(self, like: int | None) -> None:
        self.router.add_row(like)
        self.bank.add_task()

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        allocation = [p for p in self.router.parameters() if p.numel()]
        private = [self.bank.private[task]] if with_private and self.counts.private else []
        return {"skills": private, "allocation": allocation}

    @torch.no_grad()
    def prune(self, threshold: float) -> int:
        """Switches off common skills whose mixing weight is below `threshold` (each row keeps its largest); returns
        how many. The others are renormalised."""
        return self.router.prune(threshold)

    @torch.no_grad()
    def lora_factors(self, task: int) -> LoraFactors:
        """sum: the factors of the active skills side by side, B scaled by the weights; mix: the mixed factors."""
        heads, tasks = self.counts.heads, list(range(self.num_tasks))
        weights = self.router.allocation()[:, task].unflatten(0, (-1, heads)).expand(len(self.sites), -1, -1)
        found: LoraFactors = {}
        for shape, factors in zip(self.bank.shapes, self.bank.gather(tasks, torch.float32), strict=True):
            for k, member in enumerate(shape.members):
                form = lora_of_sum if self.options.combine == "sum" else lora_of_mix
                found[self.sites[member].name] = form(factors.down[:, k], factors.up[k], weights[member])
        return found

    def skills(self) -> list[Skill]:
        common = [Skill(f"common {i + 1}", "common") for i in range(self.counts.common)]
        private = [
            Skill(f"private {t + 1}" + (f".{j + 1}" if self.counts.private > 1 else ""), "private", t)
            for t in range(self.num_tasks)
            for j in range(self.counts.private)
        ]
        return common + private

    def layer_names(self) -> list[str]:
        names = [site.name for site in self.sites] if self.options.granularity == "layer" else ["model"]
        heads = self.counts.heads
        return names if heads == 1 else [f"{name} head {h + 1}" for name in names for h in range(heads)]

    def allocation(self) -> np.ndarray:
        return self.router.allocation().float().cpu().numpy()

    def adapted_names(self) -> list[str]:
        return [site.name for site in self.sites]

    def allocation_entries(self) -> np.ndarray:
        """The gates of the common skills, sigmoid of the logits."""
        return torch.sigmoid(self.router.logits.detach()).float().cpu().numpy()

    def allocation_logits(self) -> np.ndarray:
        return self.router.logits.detach().float().cpu().numpy()


def _require_heads(adapter: SkillAdapter, heads: int) -> None:
    for site in adapter.sites:
        if site.in_features % heads or site.out_features % heads:
            raise ModelError(
                "adapter.heads", heads=heads, layer=site.name, inputs=site.in_features, outputs=site.out_features
            )

"""The adapter of low-rank skills mixed per task: what C-Poly, Polytropon, MHR and private LoRA are settings of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.adapters.call import Call, Linears, fast_outputs
from core.adapters.parts.bank import SkillBank, group_shapes
from core.adapters.parts.definition import SkillCounts, SkillState, plain_deltas
from core.adapters.parts.routing import TaskRouter
from core.adapters.parts.skill_reports import SkillReports
from core.adapters.settings.places import LinearConfig
from core.adapters.settings.skills import SkillConfig
from core.adapters.targets import allocation_places, find_sites, group_sites, weight_out_in
from core.base.errors import ModelError


class SkillAdapter(SkillReports):
    """Parameters: (A + T*B) * r * sum over layers (i + o) for the skills, L*H*T*A for the allocation (L: layers, or
    blocks, or 1 for the model, see `granularity`), and L*H*T*T*B for a learnable private block.

    private_start: share of stage 1 in which the common skills learn alone; private_dropout: share of the draws of
    stage 1 without private skills.
    """

    private_start = 0.0
    private_dropout = 0.0

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
        if counts.common + counts.private < 1:
            raise ModelError("adapter.no_skills")
        self.options, self.counts = options, counts
        self.takes_fast_path = options.kernel == "fused"
        self.prune_below = options.prune_below
        self.sites = find_sites(model, options)
        self.require_heads()
        groups = group_sites(self.sites, model)
        shapes = group_shapes(self.sites, groups)
        self.bank = SkillBank(shapes, options.rank, counts.common, counts.private, num_tasks)
        self.places, self.place_of_site = allocation_places(self.sites, options.granularity)
        rows = len(self.places) * counts.heads
        self.router = TaskRouter(rows, num_tasks, counts.common, counts.private, counts.learnable)
        self.compute_dtype = weight_out_in(model.get_submodule(self.sites[0].name)).dtype
        self.wrap_linears(model, self.sites, groups)

    def prepare(self, call: Call) -> None:
        """Mixing weights and factors of all layers, once for the call: [L, H, m, S].

        With noise every example draws its own weights (m = b), as in Polytropon's code; without it every distinct
        task has one row (m = distinct tasks); in a blended call every example has its own (m = b).
        """
        noisy = call.training and self.options.noise and self.stage == 1 and self.counts.common > 0
        tasks = call.task_ids if noisy else torch.tensor(call.rows).to(call.task_ids.device, non_blocking=True)
        slots = torch.arange(len(tasks), device=tasks.device) if noisy else call.slots
        gathered = self.router.gathered_tasks(call.rows)
        weights = self.router.common_weights(tasks, self.options.temperature if noisy else None)
        if self.counts.private:
            private = self.router.private_weights(tasks, gathered)
            weights = torch.cat([weights, self._held_back(private, call.training)], -1)
        weights = call.mixed(weights, 1).unflatten(0, (-1, self.counts.heads)).to(self.compute_dtype)
        weights = weights[self.place_of_site] if self.place_of_site else weights.expand(len(self.sites), -1, -1, -1)
        factors = self.bank.gather(gathered, self.compute_dtype)
        own = None if call.blend is not None else call.slots
        if call.penalties is not None:
            call.penalties += self.penalties()
        call.state = SkillState(factors, self.bank.shapes, weights, slots, self.options.combine, self.counts, own)

    def _held_back(self, private: Tensor, training: bool) -> Tensor:
        """Weights of private skills [L, m, R*B] in stage 1: none before `private_start`, and none in a share of
        the draws, so that the common skills learn to carry what tasks have in common."""
        if not training or self.stage != 1:
            return private
        if self.trained_share < self.private_start:
            return private * 0.0
        if self.private_dropout:
            kept = torch.rand(private.shape[1], device=private.device) >= self.private_dropout
            return private * kept[None, :, None].to(private.dtype)
        return private

    def run_group(self, call: Call, group: int, x: Tensor, linears: Linears) -> list[Tensor]:
        quick = fast_outputs(call, group, x, linears)
        if quick is not None:
            return quick
        state = call.state
        assert isinstance(state, SkillState)
        mixture = state.mixture(group)
        rows = mixture.slots.repeat_interleave(call.repeats(x.shape[0]))
        deltas = plain_deltas(x.to(self.compute_dtype), mixture, rows)
        bases = (linear(x) for linear in linears)
        return [base + delta.to(base.dtype) for base, delta in zip(bases, deltas, strict=True)]

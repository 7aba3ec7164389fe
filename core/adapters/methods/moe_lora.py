"""MoE-LoRA: low-rank experts that every token mixes by a gate of the layer. Knows no tasks: the token-level
baseline.

Paper: LoRAMoE (Dou et al., arXiv 2312.09979, section 3); the balance term, off unless asked for, is that of Switch
Transformer (arXiv 2101.03961, equation 4), over all tokens of a batch (padding included):

    y = x W0^T + sum_e g_e(x) (x A_e^T) B_e^T,   g(x) = softmax(x W_g^T)

What differs from the paper: experts on all linear layers, not only the feed-forward ones. Routing by token cannot
become one LoRA. The allocation that is shown is the trained gates' mean weight over the tokens of each task's check
questions; in an encoder-decoder model's decoder over all tokens of the answers, padding included.

Parameters: E * r * sum over layers (i + o) + E * sum over layers i.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.adapters.base import ParameterGroups
from core.adapters.call import Call, Linears, fast_outputs
from core.adapters.observing import TOKEN, Observation, Seen
from core.adapters.parts.bank import Gathered, SkillBank, group_shapes
from core.adapters.parts.gated import GatedAdapter
from core.adapters.parts.prompt_pool import prompt_mean, reads_answer
from core.adapters.parts.usage import GateUsage
from core.adapters.settings.baselines import MoeLoraConfig
from core.adapters.skill import Skill
from core.adapters.targets import find_sites, group_sites, weight_out_in


class MoeLoraAdapter(GatedAdapter):
    config: MoeLoraConfig

    def __init__(self, model: nn.Module, method: str, config: MoeLoraConfig, num_tasks: int) -> None:
        super().__init__(method, config, num_tasks)
        self.sites = find_sites(model, config)
        groups = group_sites(self.sites, model)
        self.bank = SkillBank(group_shapes(self.sites, groups), config.rank, config.num_experts, 0, num_tasks)
        # One gate tensor a group: [G*E, i], drawn like a linear layer's weight.
        self.gates = nn.ParameterList(
            [
                nn.Parameter(nn.Linear(s.in_features, len(s.members) * config.num_experts).weight.detach())
                for s in self.bank.shapes
            ]
        )
        self.usage = GateUsage(len(self.sites), num_tasks, config.num_experts)
        firsts = [self.sites[members[0]] for members in groups]
        self.reads_answer = [reads_answer(model, site.stack, site.name) for site in firsts]
        self.compute_dtype = weight_out_in(model.get_submodule(self.sites[0].name)).dtype
        self.wrap_linears(model, self.sites, groups)

    def prepare(self, call: Call) -> None:
        call.state = Gathered(self.bank.gather([], self.compute_dtype))

    def run_group(self, call: Call, group: int, x: Tensor, linears: Linears) -> list[Tensor]:
        assert isinstance(call.state, Gathered)
        factors = call.state.factors[group]
        experts, layers, _, _ = factors.down.shape
        inner = x.to(self.compute_dtype)
        gates = self.choose((inner @ self.gates[group].to(inner.dtype).T).unflatten(-1, (layers, experts)))
        self._count(call, group, gates)
        self.keep_even(call, gates.unbind(2), self.config.balance)
        quick = fast_outputs(call, group, x, linears, gates)
        if quick is not None:
            return quick
        bases = [linear(x) for linear in linears]
        deltas = [
            torch.einsum("bni,eri,bne,eor->bno", inner, factors.down[:, k], gates[:, :, k], factors.up[k])
            for k in range(layers)
        ]
        return [base + delta.to(base.dtype) for base, delta in zip(bases, deltas, strict=True)]

    def choose(self, likeness: Tensor) -> Tensor:
        """x W_g^T -> g, [.., E] each."""
        return torch.softmax(likeness, -1)

    def parameter_groups(self, stage: int) -> ParameterGroups:
        return {"skills": [self.bank.common], "allocation": list(self.gates)}

    def skills(self) -> list[Skill]:
        return [Skill(f"expert {e + 1}", "common") for e in range(self.config.num_experts)]

    def observe(self, seen: Seen) -> Observation:
        """Every token's own gate in every layer."""
        experts, gates = self.config.num_experts, []
        places = {m: (g, k) for g, shape in enumerate(self.bank.shapes) for k, m in enumerate(shape.members)}
        for index, site in enumerate(self.sites):
            group, position = places[index]
            rows = self.gates[group][position * experts : (position + 1) * experts]
            gates.append(self.choose(seen.inputs[site.name].float() @ rows.float().T)[0].cpu())
        longest = max(len(gate) for gate in gates)
        whole = [gate for gate in gates if len(gate) == longest]
        return Observation(TOKEN, torch.stack([gate.mean(0) for gate in gates]), torch.stack(whole).mean(0))

    def grow(self, like: int | None) -> None:
        self.usage.add_task()

    def _count(self, call: Call, group: int, gates: Tensor) -> None:
        if not self.usage.is_noting:
            return
        asked = gates.flatten(2)
        means = asked.mean(1) if self.reads_answer[group] else prompt_mean(asked, call)
        means = means.view_as(gates[:, 0])
        for k, member in enumerate(self.bank.shapes[group].members):
            self.usage.add(member, call.task_ids, means[:, k])


def build(model: nn.Module, method: str, config: MoeLoraConfig, num_tasks: int) -> MoeLoraAdapter:
    return MoeLoraAdapter(model, method, config, num_tasks)

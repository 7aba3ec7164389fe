"""Task-based mixture of experts: a pool of low-rank adapters smaller than the tasks are many, mixed by a gate that
reads the question and knows the task.

Paper: Pham et al., "Task-Based MoE for Multitask Multilingual Machine Translation", arXiv 2308.15772, section 3
(shared dynamic task-based adapters): the gate of a layer is given the input and an embedding of the task.

    y = x W0^T + sum_m g_m (x A_m^T) B_m^T,   g = softmax(W_x pool(x) / sqrt(i) + W_t e_t) in R^M

pool(x) is the mean of the layer's input over the prompt, taken once per instance and reused at every decoding
step; in an encoder-decoder model's decoder it is the start position. W_x starts at zero, so a mixture starts as the
task's alone; e_t is drawn from N(0, 1). The factor 1 / sqrt(i), i the inputs of the layer, keeps a step of W_x as
large in wide models.

What differs from the paper: low-rank adapters on all linear layers of a frozen model in the place of feed-forward
experts; one gate for the prompt in the place of one for every token, so that all of an answer is computed alike
and decoding with a cache equals that without; every adapter is mixed in, none is left out (no top-k). `balance`
adds the load-balance term M sum f_i P_i over the gates of a batch (core/adapters/parts/penalties.py).

A new task trains its e_t alone, pool and gates being frozen. The mixture depends on the question, so it can neither
become one LoRA nor be merged. What is shown as the allocation is the trained gates' mean over each task's check
questions.

Parameters: M * r * sum over layers (i + o) for the pool, M * sum over layers (i + d) for the gates, T * d for the
tasks' embeddings of size d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from core.adapters.base import ParameterGroups
from core.adapters.call import Call, Linears, fast_outputs
from core.adapters.observing import PROMPT, Observation, Seen
from core.adapters.parts.bank import Gathered, SkillBank, group_shapes
from core.adapters.parts.gated import GatedAdapter
from core.adapters.parts.prompt_pool import prompt_mean, reads_answer
from core.adapters.parts.usage import GateUsage
from core.adapters.settings.baselines import TaskMoeConfig
from core.adapters.skill import Skill
from core.adapters.targets import find_sites, group_sites, weight_out_in


@dataclass(eq=False)
class Pooled(Gathered):
    """The pool's factors, and the embeddings [b, d] of the examples' tasks."""

    told: Tensor


class TaskMoeAdapter(GatedAdapter):
    config: TaskMoeConfig

    def __init__(self, model: nn.Module, method: str, config: TaskMoeConfig, num_tasks: int) -> None:
        self.pool_size = config.adapters(num_tasks)
        # The number stays what it was when tasks are added later.
        super().__init__(method, replace(config, pool_size=self.pool_size), num_tasks)
        self.sites = find_sites(model, config)
        groups = group_sites(self.sites, model)
        self.bank = SkillBank(group_shapes(self.sites, groups), config.rank, self.pool_size, 0, num_tasks)
        columns = [len(shape.members) * self.pool_size for shape in self.bank.shapes]
        # Of each group: W_x [G*M, i], W_t [G*M, d].
        self.readers = nn.ParameterList(
            [torch.zeros(count, shape.in_features) for count, shape in zip(columns, self.bank.shapes, strict=True)]
        )
        self.listeners = nn.ParameterList(
            [nn.Parameter(nn.Linear(config.task_size, count).weight.detach()) for count in columns]
        )
        # A parameter for each task: an optimizer leaves those of tasks that are not in a batch alone.
        self.tasks = nn.ParameterList([torch.randn(config.task_size) for _ in range(num_tasks)])
        self.usage = GateUsage(len(self.sites), num_tasks, self.pool_size)
        firsts = [self.sites[members[0]] for members in groups]
        self.reads_start = [reads_answer(model, site.stack, site.name) for site in firsts]
        self.compute_dtype = weight_out_in(model.get_submodule(self.sites[0].name)).dtype
        self.wrap_linears(model, self.sites, groups)

    def prepare(self, call: Call) -> None:
        told = call.mixed(torch.stack([self.tasks[task] for task in call.rows]))
        call.state = Pooled(self.bank.gather([], self.compute_dtype), told.index_select(0, call.slots))

    def run_group(self, call: Call, group: int, x: Tensor, linears: Linears) -> list[Tensor]:
        assert isinstance(call.state, Pooled)
        factors = call.state.factors[group]
        gates = self._gates(call, group, x)
        self.keep_even(call, gates.unbind(1), self.config.balance)
        shares = gates.to(self.compute_dtype)
        quick = fast_outputs(call, group, x, linears, shares[:, None])
        if quick is not None:
            return quick
        inner = x.to(self.compute_dtype)
        bases = [linear(x) for linear in linears]
        deltas = [
            torch.einsum("bni,mri,bm,mor->bno", inner, factors.down[:, k], shares[:, k], factors.up[k])
            for k in range(len(linears))
        ]
        return [base + delta.to(base.dtype) for base, delta in zip(bases, deltas, strict=True)]

    def _gates(self, call: Call, group: int, x: Tensor) -> Tensor:
        """g [R, G, M] for x [R, n, i]. Kept for the call when decoding: the prompt decides once."""
        times, decoding = call.repeats(x.shape[0]), not torch.is_grad_enabled()
        if decoding and group in call.memory:
            kept = call.memory[group]
            return kept.repeat_interleave(x.shape[0] // kept.shape[0], 0)
        assert isinstance(call.state, Pooled)
        reader, listener = self.readers[group], self.listeners[group]
        read = (x[:, 0] if self.reads_start[group] else prompt_mean(x, call)).to(reader.dtype)
        told = (call.state.told @ listener.T).repeat_interleave(times, 0)
        logits = read @ reader.T / math.sqrt(x.shape[-1]) + told
        gates = torch.softmax(logits.unflatten(-1, (-1, self.pool_size)).to(reader.dtype), -1)
        if decoding:
            call.memory[group] = gates
        if self.usage.is_noting:
            for k, member in enumerate(self.bank.shapes[group].members):
                self.usage.add(member, call.task_ids, gates[:, k])
        return gates

    def parameter_groups(self, stage: int) -> ParameterGroups:
        """The gates learn at the rate of the skills; what a task is, at that of an allocation."""
        gates = [*self.readers, *self.listeners]
        return {"skills": [self.bank.common], "gates": gates, "allocation": list(self.tasks)}

    def skills(self) -> list[Skill]:
        return [Skill(f"adapter {m + 1}", "common") for m in range(self.pool_size)]

    def observe(self, seen: Seen) -> Observation:
        """The gates as this very prompt set them."""
        weights = torch.zeros(len(self.sites), self.pool_size)
        for group, shape in enumerate(self.bank.shapes):
            weights[list(shape.members)] = seen.call.memory[group][0].float().cpu()
        return Observation(PROMPT, weights)

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        return {"skills": [], "allocation": [self.tasks[task]]}

    def grow(self, like: int | None) -> None:
        row = self.tasks[like] if like is not None else torch.stack(list(self.tasks)).mean(0)
        self.tasks.append(nn.Parameter(row.detach().clone()))
        self.usage.add_task()


def build(model: nn.Module, method: str, config: TaskMoeConfig, num_tasks: int) -> TaskMoeAdapter:
    return TaskMoeAdapter(model, method, config, num_tasks)

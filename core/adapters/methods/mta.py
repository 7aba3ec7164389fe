"""ALTER, the Mixture-of-Task-Adapters: feed-forward adapters mixed by task (stage 1), then by instance (stage 2).

Paper: Xie et al., "Mixture-of-Task-Adapters for Multi-task learning", WSDM 2024, arXiv 2309.11042. In chosen blocks
the feed-forward sublayer becomes y = h + Dropout(MTA(Norm(h), t)).

Stage 1, task weights selector: alpha_t = softmax(w_t / tau), tau = 0.1, over N adapters of the block (default T +
1), MTA(x, t) = sum_k alpha_tk A_k(x). The logits w start at 0.20, and at 0.22 for a pair of adapters that overlaps
with the next task's pair.

Stage 2, shared adapters and gate: e_t is the same sum over all adapters; S_1..S_K are shared adapters; u =
[pool(e_t); pool(S_1); ..; pool(S_K)]; g = softmax(W2 ReLU(W1 u + b1) + b2). With F the block's own network,

    MTA = F(x) + (g_0 / g_0^start) (e_t - F(x)) + sum_k g_k (S_k(x) - F(x))

which is the paper's g_0 e_t + sum_k g_k S_k(x), the weight of e_t measured by what it is at the start: W2 = 0 and
b2 = (beta, 0, ..) with beta = 4 make g_0^start = 0.95 for K = 3, and every S_k starts as F, so stage 2 starts as
exactly the function that stage 1 ended with. With `own_pair` the gate sees and weighs p_t, the sum over the task's
two strongest adapters with alpha renormalised (the paper's e_t); what the pair leaves out, e_t - p_t, is added as
stage 1 left it, so that this start holds there too.

What differs from the paper: the light form (a low-rank term on the feed-forward network) beside the faithful
copies; the start of stage 2 (above), for which e_t keeps all adapters; pool is the masked mean over the prompt,
taken once per instance and reused at every decoding step (the released code reads position 0, which in cached
decoding makes the gate depend on the token). In an encoder-decoder model's decoder, where no prompt is, the pool is
the start position. The base model stays frozen; stage 2 trains the shared
adapters and the gate, and the task adapters too when asked to.

Two terms can be added to the loss: `specialise` rewards the information that task and adapter have of each other in
stage 1 (core/adapters/parts/penalties.py), `balance` evens out the use of the shared adapters among themselves in
stage 2 (their gates over their sum; not g_0, whose start is the stage-1 function).

Ablations are settings: one adapter for all tasks (`num_adapters` 1), one per task or a uniform mixture
(`selector`), K from 0 on (`num_shared`); with K = 0 stage 2 only goes on training the task adapters.

The faithful form equals the base model at the start up to rounding: a weighted mean of equal outputs. Neither form
can become one LoRA.

Parameters per block: (N + K) * 2*r*d (light) or (N + K) * the network's (faithful), T*N for the selector, and for K
> 0 the gate's h*((K+1)*d + 1) + (K+1)*(h + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.adapters.base import Adapter, ParameterGroups
from core.adapters.call import Adapted, Call
from core.adapters.observing import PROMPT, Observation, Seen
from core.adapters.parts.feed_forward import Pool, build_pool, find_feed_forwards
from core.adapters.parts.held_rows import bind_rows
from core.adapters.parts.penalties import load_balance, mutual_information
from core.adapters.parts.prompt_pool import prompt_mean, reads_answer
from core.adapters.parts.usage import GateUsage
from core.adapters.settings.task_adapters import MTAConfig
from core.adapters.skill import Skill
from core.adapters.targets import replace_module
from core.adapters.wishes import Wishes
from core.base.errors import ModelError

START, START_OF_PAIR = 0.20, 0.22
FAR = 200.0  # exp(-200) is zero in float32: this many temperatures ahead, an adapter is the only one


@dataclass(frozen=True)
class Selected:
    """Weights of the task adapters for the examples of a call, [L, b, N]; `pair`: of each task's own pair alone.
    Beside each the adapters that are not left out, by layer: found once a call, since asking a card is waiting."""

    alpha: Tensor
    pair: Tensor | None
    used: list[list[int]]
    used_pair: list[list[int]]


def _weighed(flags: list[bool]) -> list[int]:
    return [k for k, is_weighed in enumerate(flags) if is_weighed]


class MTAAdapter(Adapter):
    config: MTAConfig

    def __init__(self, model: nn.Module, method: str, config: MTAConfig, num_tasks: int) -> None:
        self.num_adapters = config.num_adapters or num_tasks + (config.selector != "own")
        # The number stays what it was when tasks are added later.
        super().__init__(method, replace(config, num_adapters=self.num_adapters), num_tasks)
        self.sites = find_feed_forwards(model, config)
        self.shared = config.num_shared
        inner = [model.get_submodule(site.name) for site in self.sites]
        width = _width(model)
        apart = config.selector == "own"
        self.pools = nn.ModuleList([build_pool(config, self.num_adapters, f, width, apart) for f in inner])
        self.selector = nn.Parameter(_selector_start(self.config, len(self.sites), num_tasks))
        self.shared_pools = nn.ModuleList(
            [build_pool(config, self.shared, f, width) for f in inner] if self.shared else []
        )
        self.gates = nn.ModuleList([_build_gate(width, self.shared, config) for _ in inner] if self.shared else [])
        self.usage = GateUsage(len(self.sites), num_tasks, self.shared + 1)
        self.reads_start = [reads_answer(model, site.stack, site.name) for site in self.sites]
        for index, (site, network) in enumerate(zip(self.sites, inner, strict=True)):
            replace_module(model, site.name, Adapted(network, partial(self.run_feed_forward, index, network)))

    def alpha(self) -> Tensor:
        """[L, T, N]: the selector's weights."""
        return torch.softmax(self.selector / self.config.selector_temperature, -1)

    def prepare(self, call: Call) -> None:
        """The selector's rows of the examples, and in stage 2 on request those of their own pairs."""
        alpha, pair = self.alpha(), None
        if self.config.own_pair and self._gated:
            strongest = alpha.topk(min(2, self.num_adapters), -1).indices
            pair = alpha * torch.zeros_like(alpha).scatter_(-1, strongest, 1.0)
            pair = self._rows(call, pair / pair.sum(-1, keepdim=True))
        if call.penalties is not None and self.config.specialise and self._selects:
            call.penalties.append(-self.config.specialise * mutual_information(alpha).mean())
        every = list(range(self.num_adapters))
        if self.config.selector == "own":
            every = sorted({task % self.num_adapters for task in call.rows})
        used_pair = [] if pair is None else [_weighed(layer) for layer in pair.detach().ne(0).any(1).tolist()]
        call.state = Selected(self._rows(call, alpha), pair, [every] * len(self.sites), used_pair)

    def _rows(self, call: Call, weights: Tensor) -> Tensor:
        if call.blend is not None:
            return call.mixed(weights[:, call.rows], 1)
        return weights.index_select(1, call.task_ids)

    @property
    def _selects(self) -> bool:
        """Whether the selector is being learned."""
        return self.stage == 1 and self.config.selector == "learned" and self.num_tasks > 1

    @property
    def _gated(self) -> bool:
        return self.stage == 2 and self.shared > 0

    def run_feed_forward(self, index: int, inner: nn.Module, call: Call, x: Tensor) -> Tensor:
        """MTA(x, t) for x [R, n, d]."""
        times, pool = call.repeats(x.shape[0]), self.pools[index]
        assert isinstance(call.state, Selected)
        assert isinstance(pool, Pool)
        plain: Any = inner(x) if self._gated or pool.needs_plain else None
        own = pool.mixed(x, plain, call.state.alpha[index].repeat_interleave(times, 0), call.state.used[index])
        if self._gated:
            pair = own
            if call.state.pair is not None:
                weights, used = call.state.pair[index].repeat_interleave(times, 0), call.state.used_pair[index]
                pair = pool.mixed(x, plain, weights, used)
            shared = self.shared_pools[index].each(x, plain)  # type: ignore[operator]
            outputs = torch.cat([pair[None], shared])
            gate = self._gate(call, index, outputs)
            gate = torch.cat([gate[:, :1] / self._start_of_gate(), gate[:, 1:]], 1).to(x.dtype)
            mixed = torch.einsum("kRnd,Rk->Rnd", outputs, gate) + (1.0 - gate.sum(1))[:, None, None] * plain
            own = mixed if call.state.pair is None else mixed + own - pair
        return F.dropout(own, self.config.dropout, call.training)

    def _start_of_gate(self) -> float:
        """g_0 before any training: softmax of (beta, 0, .., 0)."""
        return 1.0 / (1.0 + self.shared * math.exp(-self.config.gate_bias))

    def parameter_groups(self, stage: int) -> ParameterGroups:
        """Stage 1: task adapters and selector; stage 2: shared adapters and gate (and the task adapters on
        request).
        """
        task = list(self.pools.parameters())
        if stage == 1 or not self.shared:
            learned = stage == 1 and self.config.selector == "learned"
            return {"skills": task, "allocation": [self.selector] if learned else []}
        shared = list(self.shared_pools.parameters())
        skills = shared + (task if self.config.stage2_trains == "all" else [])
        return {"skills": skills, "allocation": list(self.gates.parameters())}

    def skills(self) -> list[Skill]:
        adapters = [Skill(f"adapter {k + 1}", "common") for k in range(self.num_adapters)]
        if self.stage == 1:
            return adapters
        return adapters + [Skill(f"shared {k + 1}", "common") for k in range(self.shared)]

    def layer_names(self) -> list[str]:
        return [site.name for site in self.sites]

    @torch.no_grad()
    def allocation(self) -> np.ndarray:
        """Stage 1: alpha. Stage 2: alpha times g_0, and g_1..g_K, of the means of the gate, see `GateUsage`."""
        alpha = self.alpha().cpu()
        if not self._gated:
            return alpha.numpy()
        gate = self.usage.mean().cpu()
        return torch.cat([alpha * gate[..., :1], gate[..., 1:]], -1).numpy()

    def allocation_logits(self) -> np.ndarray:
        return self.selector.detach().cpu().numpy()

    def observe(self, seen: Seen) -> Observation:
        """Stage 2: alpha times g_0, and g_1..g_K as this very prompt set them."""
        found = super().observe(seen)
        if not self._gated:
            return found
        alpha = self.alpha()[:, seen.task].float().cpu()
        for index, gates in seen.call.memory.items():
            gate = gates[0].float().cpu()
            found.weights[index] = torch.cat([alpha[index] * gate[0], gate[1:]])
        return replace(found, level=PROMPT)

    def grow(self, like: int | None) -> None:
        row = self.selector[:, like : like + 1] if like is not None else self.selector.mean(1, keepdim=True)
        self.selector = nn.Parameter(torch.cat([self.selector, row], 1).detach())
        self.usage.add_task()

    def take_wishes(self, wishes: Wishes) -> None:
        """One row of the selector for bound tasks; the shared adapters of stage 2 keep no two tasks apart."""
        if wishes.apart or self.config.selector != "learned":
            raise ModelError("adapter.no_wishes", method=self.method)
        bind_rows(self.selector, wishes.groups())

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        return {"skills": [], "allocation": [self.selector] if self.config.selector == "learned" else []}

    def _gate(self, call: Call, index: int, outputs: Tensor) -> Tensor:
        """g [R, K+1] from outputs [K+1, R, n, d]. Kept for the call when decoding: the prompt decides once."""
        decoding = not torch.is_grad_enabled()
        rows = outputs.shape[1]
        if decoding and index in call.memory:
            kept = call.memory[index]
            return kept.repeat_interleave(rows // kept.shape[0], 0)
        pooled = outputs[:, :, 0] if self.reads_start[index] else prompt_mean(outputs, call)
        logits = self.gates[index](pooled.to(self.selector.dtype).transpose(0, 1).flatten(1))
        gate = torch.softmax(logits, -1)
        if call.penalties is not None and self.config.balance and self.shared > 1:
            among = gate[:, 1:] / gate[:, 1:].sum(-1, keepdim=True)
            call.penalties.append(self.config.balance / len(self.sites) * load_balance(among))
        if decoding:
            call.memory[index] = gate
        if self.usage.is_noting:
            self.usage.add(index, call.task_ids, gate)
        return gate


def _selector_start(config: MTAConfig, layers: int, tasks: int) -> Tensor:
    """[L, T, N]: overlapping pairs ahead; all alike; or each task's own adapter alone."""
    adapters = config.num_adapters
    assert adapters
    logits = torch.full((layers, tasks, adapters), START)
    for task in range(tasks):
        if config.selector == "own":
            logits[:, task, task % adapters] += FAR * config.selector_temperature
        elif config.selector == "learned":
            logits[:, task, [task % adapters, (task + 1) % adapters]] = START_OF_PAIR
    return logits


def _build_gate(width: int, shared: int, config: MTAConfig) -> nn.Sequential:
    last = nn.Linear(config.gate_size, shared + 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.bias[0] = config.gate_bias
    return nn.Sequential(nn.Linear((shared + 1) * width, config.gate_size), nn.ReLU(), last)


def _width(model: nn.Module) -> int:
    config = model.config
    return int(getattr(config, "hidden_size", None) or config.d_model)  # type: ignore[union-attr, arg-type]


def build(model: nn.Module, method: str, config: MTAConfig, num_tasks: int) -> MTAAdapter:
    return MTAAdapter(model, method, config, num_tasks)

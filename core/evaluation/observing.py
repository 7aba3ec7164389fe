"""What an adapter does with one text: the weights it mixes by, and how large each skill's part of the output is.

Legend: b examples, n tokens, L adapted layers, S skills. A part's size is the length (2-norm) of what a skill, or
all common or all private skills together, adds to a layer's output at a token; the base layer's own output is the
measure. Needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.base import AdaptedLinear
from core.adapters.call import Call, build_call, enter_call
from core.adapters.parts.bank import GroupFactors
from core.adapters.parts.definition import Mixture, plain_deltas
from core.adapters.parts.skills import SkillState
from core.models.modular import ModularModel

TASK, PROMPT, TOKEN = "task", "prompt", "token"  # what the weights of a method depend on


@dataclass
class Observation:
    """One forward pass. `weights` [L, S] used for the example (token-level gates: their mean over the tokens) and
    `by_token` [n, S] (mean over the layers) only for gates of tokens. `sizes` [L, S], `size_by_token` [n, S]: each
    skill's part relative to the base layer's output; None for methods whose parts cannot be told apart.
    """

    level: str
    weights: Tensor
    by_token: Tensor | None = None
    sizes: Tensor | None = None
    size_by_token: Tensor | None = None


@dataclass
class Parts:
    """Mean sizes over the tokens of a batch, [L]: all common skills together, all private ones, and the base."""

    common: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)
    base: list[float] = field(default_factory=list)


@torch.no_grad()
def observe(model: ModularModel, ids: list[int], decoder_ids: list[int] | None, task: int) -> Observation:
    """Reads a text (its prompt, or prompt and answer) as a task and looks at every adapted layer.

    decoder_ids: the start of the answer for an encoder-decoder model.
    """
    inputs, call = _run(model, [ids], decoder_ids, task)
    num_skills = len(model.adapter.skills())
    if isinstance(call.state, SkillState):
        return _observe_skills(model, call, inputs, num_skills)
    if hasattr(model.adapter, "gates") and hasattr(model.adapter, "bank"):
        return _observe_token_gates(model, inputs)
    weights = torch.from_numpy(model.allocation()[:, task]).float()
    if not model.adapter.depends_on_prompt:
        return Observation(TASK, weights)
    return Observation(PROMPT, _with_gates(model, call, task, weights))


@torch.no_grad()
def measure_parts(model: ModularModel, ids: list[int], decoder_ids: list[int] | None, task: int) -> Parts | None:
    """Sizes of the common and of the private part in every layer for one text; None for other methods."""
    inputs, call = _run(model, [ids], decoder_ids, task)
    if not isinstance(call.state, SkillState):
        return None
    parts = Parts()
    num_common = call.state.counts.common
    for layer in _layers(model, inputs):
        mixture = _mixture(call.state, layer)
        chosen = torch.arange(mixture.weights.shape[-1]) < num_common
        for name, keep in (("common", chosen), ("private", ~chosen)):
            getattr(parts, name).append(float(_part(layer, mixture, keep).norm(dim=-1).mean()))
        parts.base.append(float(layer.output.norm(dim=-1).mean()))
    return parts


@dataclass
class Layer:
    """One adapted layer in one pass: its group and place in it, its input [b, n, i] and the base output [b, n,
    o]."""

    index: int
    group: int
    position: int
    x: Tensor
    output: Tensor


def _run(
    model: ModularModel, rows: list[list[int]], decoder_ids: list[int] | None, task: int
) -> tuple[dict[str, Tensor], Call]:
    """One forward pass with its inputs caught; the call holds what the adapter prepared and concluded."""
    ids = torch.tensor(rows, device=model.device)
    call = build_call([task] * len(rows), model.adapter.num_tasks, model.device, training=False)
    call.prompt_mask = torch.ones_like(ids)
    model.adapter.prepare(call)
    more: dict[str, Any] = {}
    if model.architecture == "encoder_decoder":
        start = model.config.decoder_start_token_id
        more["decoder_input_ids"] = torch.tensor([[start, *(decoder_ids or [])]], device=model.device)
    with _caught_inputs(model.base) as caught, enter_call(call):
        model.base(input_ids=ids, attention_mask=torch.ones_like(ids), **more)
    return caught, call


@contextmanager
def _caught_inputs(base: nn.Module) -> Iterator[dict[str, Tensor]]:
    caught: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(lambda _, given, name=name: caught.__setitem__(name, given[0]))
        for name, module in base.named_modules()
        if isinstance(module, AdaptedLinear)
    ]
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()


def _layers(model: ModularModel, inputs: dict[str, Tensor]) -> Iterator[Layer]:
    """Adapted layers in the order of the allocation's rows."""
    adapter: Any = model.adapter
    members = {m: (g, k) for g, shape in enumerate(adapter.bank.shapes) for k, m in enumerate(shape.members)}
    for index, site in enumerate(adapter.sites):
        module: Any = model.base.get_submodule(site.name)
        x = inputs[site.name]
        yield Layer(index, *members[index], x.float(), module.linear(x).float())


def _mixture(state: SkillState, layer: Layer) -> Mixture:
    """The one layer's share of its group, in float32."""
    whole = state.mixture(layer.group)
    k = layer.position
    down, up = whole.factors.down[:, k : k + 1].float(), whole.factors.up[k].float()
    factors = GroupFactors(down, [up])
    return Mixture(factors, whole.weights[k : k + 1].float(), whole.slots, whole.combine)


def _part(layer: Layer, mixture: Mixture, keep: Tensor) -> Tensor:
    """What the kept skills alone add, [b, n, o]."""
    masked = replace(mixture, weights=mixture.weights * keep.to(mixture.weights))
    return plain_deltas(layer.x, masked, mixture.slots)[0]


def _observe_skills(model: ModularModel, call: Call, inputs: dict[str, Tensor], num_skills: int) -> Observation:
    """Weights by layer (the mean over routing heads) and every used skill's part."""
    state: SkillState = call.state
    columns = _columns(model, call)
    layers = list(_layers(model, inputs))
    weights = torch.zeros(len(layers), num_skills)
    sizes = torch.zeros(len(layers), num_skills)
    longest = max(layer.x.shape[1] for layer in layers)
    by_token, counted = torch.zeros(longest, num_skills), torch.zeros(longest, 1)
    for layer in layers:
        mixture = _mixture(state, layer)
        weights[layer.index, columns] = mixture.weights[0].mean(0)[0].cpu()
        base = layer.output.norm(dim=-1).clamp_min(1e-12)
        places = layer.x.shape[1]
        for place, column in enumerate(columns):
            if not weights[layer.index, column]:
                continue
            keep = torch.arange(len(columns)) == place
            relative = (_part(layer, mixture, keep).norm(dim=-1) / base)[0].cpu()
            sizes[layer.index, column] = relative.mean()
            by_token[:places, column] += relative
        counted[:places] += 1
    return Observation(TASK, weights, None, sizes, by_token / counted.clamp_min(1))


def _columns(model: ModularModel, call: Call) -> list[int]:
    """Columns of the skills that the call gathered: the common ones, and the private ones of its tasks."""
    adapter: Any = model.adapter
    tasks = adapter.router.gathered_tasks(call.rows)
    return [i for i, skill in enumerate(adapter.skills()) if skill.task is None or skill.task in tasks]


def _observe_token_gates(model: ModularModel, inputs: dict[str, Tensor]) -> Observation:
    """MoE-LoRA: every token's own gate in every layer."""
    adapter: Any = model.adapter
    experts = len(adapter.skills())
    gates = []
    for layer in _layers(model, inputs):
        rows = adapter.gates[layer.group][layer.position * experts : (layer.position + 1) * experts]
        gates.append(torch.softmax(layer.x @ rows.float().T, -1)[0].cpu())
    longest = max(len(gate) for gate in gates)
    whole = [gate for gate in gates if len(gate) == longest]
    return Observation(TOKEN, torch.stack([gate.mean(0) for gate in gates]), torch.stack(whole).mean(0))


def _with_gates(model: ModularModel, call: Call, task: int, weights: Tensor) -> Tensor:
    """Stage 2 of the mixture of task adapters: alpha times g_0, and g_1..g_K as this very prompt set them."""
    adapter: Any = model.adapter
    alpha = adapter.alpha()[:, task].float().cpu()
    found = weights.clone()
    for index in range(len(alpha)):
        if index in call.memory:
            gate = call.memory[index][0].float().cpu()
            found[index] = torch.cat([alpha[index] * gate[0], gate[1:]])
    return found

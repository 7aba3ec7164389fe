"""How large each skill's part of a layer's output is, for a text, or for several at once.

Shapes: b texts, n tokens, i inputs, o outputs, L adapted layers, S skills, H routing heads, m rows of weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from core.adapters.observing import TASK, Observation, Parts, Seen
from core.adapters.parts.bank import GroupFactors
from core.adapters.parts.definition import Mixture, SkillState, plain_deltas


@dataclass(frozen=True)
class Layer:
    """One adapted layer in one pass, in float32: its input [b, n, i], the base output [b, n, o], and its share of
    the group's mixture (weights [1, H, m, S])."""

    x: Tensor
    output: Tensor
    mixture: Mixture

    @classmethod
    def of(cls, state: SkillState, group: int, position: int, x: Tensor, output: Tensor) -> Layer:
        whole = state.mixture(group)
        down, up = whole.factors.down[:, position : position + 1].float(), whole.factors.up[position].float()
        weights = whole.weights[position : position + 1].float()
        return cls(x, output, Mixture(GroupFactors(down, [up]), weights, whole.slots, whole.combine))

    def part(self, keep: Tensor) -> Tensor:
        """What the kept skills (keep [S]) alone add, [b, n, o]."""
        masked = replace(self.mixture, weights=self.mixture.weights * keep.to(self.mixture.weights))
        return plain_deltas(self.x, masked, self.mixture.slots)[0]


def observe_skills(layers: list[Layer], columns: list[int], num_skills: int) -> Observation:
    """Weights by layer (the mean over routing heads) and every used skill's part; `columns` of the skills that the
    call gathered, of `num_skills`."""
    weights = torch.zeros(len(layers), num_skills)
    sizes = torch.zeros(len(layers), num_skills)
    longest = max(layer.x.shape[1] for layer in layers)
    by_token, counted = torch.zeros(longest, num_skills), torch.zeros(longest, 1)
    for index, layer in enumerate(layers):
        weights[index, columns] = layer.mixture.weights[0].mean(0)[0].cpu()
        base = layer.output.norm(dim=-1).clamp_min(1e-12)
        places = layer.x.shape[1]
        for place, column in enumerate(columns):
            if not weights[index, column]:
                continue
            keep = torch.arange(len(columns)) == place
            relative = (layer.part(keep).norm(dim=-1) / base)[0].cpu()
            sizes[index, column] = relative.mean()
            by_token[:places, column] += relative
        counted[:places] += 1
    return Observation(TASK, weights, None, sizes, by_token / counted.clamp_min(1))


def part_sizes(layers: list[Layer], num_common: int, seen: Seen) -> list[Parts]:
    """Of all common skills together, of all private ones, and of the base, for each text."""
    found = []
    for layer in layers:
        chosen = torch.arange(layer.mixture.weights.shape[-1]) < num_common
        terms = (layer.part(chosen), layer.part(~chosen), layer.output)
        found.append(torch.stack([seen.mean_size(term) for term in terms]).cpu())
    sizes = torch.stack(found).movedim(-1, 0).tolist()  # [b][L][3]
    return [Parts(*(list(column) for column in zip(*text, strict=True))) for text in sizes]

"""The inventory of skills: every skill is one row of numbers that holds its factors for all layers.

Shapes: G layers of a group (they read one input of size i), S skills, r rank, o_k output size of layer k, P numbers
of a skill = sum over groups of G*r*i + sum_k o_k*r. Common skills are one parameter [A, P]; the private skills of a
task are a parameter [B, P] of their own, so that an optimizer leaves the tasks that are not in a batch alone (their
gradient is None), and a new task is one more parameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.adapters.targets import Site


@dataclass(frozen=True)
class GroupShape:
    """Sizes of the layers that read one input, and their positions among all adapted layers."""

    members: tuple[int, ...]
    in_features: int
    out_features: tuple[int, ...]


@dataclass(eq=False)
class GroupFactors:
    """Factors of a group for one call: down [S, G, r, i], up one [S, o_k, r] per layer."""

    down: Tensor
    up: list[Tensor]


@dataclass(eq=False)
class Gathered:
    """The factors of every group that one call needs."""

    factors: list[GroupFactors]


def group_shapes(sites: list[Site], groups: list[list[int]]) -> list[GroupShape]:
    return [GroupShape(tuple(g), sites[g[0]].in_features, tuple(sites[i].out_features for i in g)) for g in groups]


class SkillBank(nn.Module):
    """A common and T*B private low-rank skills over all groups. A: Kaiming-uniform (a = sqrt 5); B: zero.

    Parameter count: (A + T*B) * r * sum over layers of (i + o).
    """

    def __init__(
        self, shapes: list[GroupShape], rank: int, num_common: int, num_private: int, num_tasks: int
    ) -> None:
        super().__init__()
        self.shapes = shapes
        self.rank = rank
        self.num_common = num_common
        self.num_private = num_private
        self.sizes = [size for shape in shapes for size in self._segment_sizes(shape)]
        self.common = nn.Parameter(self.new_skills(num_common))
        tasks = num_tasks if num_private else 0
        self.private = nn.ParameterList([nn.Parameter(self.new_skills(num_private)) for _ in range(tasks)])

    @property
    def skill_size(self) -> int:
        return sum(self.sizes)

    def gather(self, tasks: list[int], dtype: torch.dtype) -> list[GroupFactors]:
        """The factors of the common skills and of these tasks' private skills, S = A + R*B, for every group."""
        rows: list[Tensor] = [self.common] if self.num_common else []
        if self.num_private:
            rows += [self.private[t] for t in tasks]
        return self.views(torch.cat(rows, 0).to(dtype))

    def views(self, skills: Tensor) -> list[GroupFactors]:
        """Views of skills [S, P] by group."""
        pieces = iter(skills.split(self.sizes, 1))
        count, r = skills.shape[0], self.rank
        factors = []
        for shape in self.shapes:
            down = next(pieces).reshape(count, len(shape.members), r, shape.in_features)
            up = [next(pieces).reshape(count, o, r) for o in shape.out_features]
            factors.append(GroupFactors(down, up))
        return factors

    def _segment_sizes(self, shape: GroupShape) -> list[int]:
        down = len(shape.members) * self.rank * shape.in_features
        return [down, *(o * self.rank for o in shape.out_features)]

    @torch.no_grad()
    def new_skills(self, count: int) -> Tensor:
        skills = torch.zeros(count, self.skill_size)
        for factors in self.views(skills):
            # Kaiming-uniform with a = sqrt 5 is U(-1/sqrt(i), 1/sqrt(i)).
            bound = 1.0 / math.sqrt(factors.down.shape[-1])
            factors.down.uniform_(-bound, bound)
        return skills

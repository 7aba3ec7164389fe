"""Settings of the methods that mix low-rank skills by task: C-Poly, Polytropon, multi-head routing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.adapters.settings import shared
from core.adapters.settings.places import Capacity, LinearConfig
from core.adapters.settings.shared import of_adapter
from core.base.errors import Problem


@dataclass(frozen=True)
class SkillConfig(LinearConfig):
    """Low-rank skills mixed per task: what C-Poly and its family share."""

    rank: int = shared.rank(2, "Size of one skill", "Rank of a skill")
    combine: str = shared.combine("sum")
    granularity: str = of_adapter(
        "layer",
        level="expert",
        choices=("layer", "block", "model"),
        label="One allocation per",
        help="layer: each layer mixes skills its own way; block: layers of a block alike; model: everywhere alike.",
    )
    temperature: float = of_adapter(
        1.0,
        level="expert",
        minimum=0.01,
        maximum=100.0,
        label="Routing temperature",
        help="Smaller pushes the noisy weights of training closer to 0 or 1.",
    )
    noise: bool = of_adapter(
        True,
        level="expert",
        label="Routing noise in training",
        help="Samples the mixing weights while training (Gumbel-sigmoid), so that skills are explored.",
    )
    prune_below: float = of_adapter(
        0.0,
        level="expert",
        minimum=0.0,
        maximum=1.0,
        label="Switch off weights below",
        help="After the last stage, common skills a task uses less than this are switched off for it. 0 keeps all.",
    )
    specialise: float = shared.specialise("skills")
    kernel: str = shared.kernel()

    def columns(self, used: int, kept: int) -> Capacity:
        """Of so many skills: mixed factors are computed with once, a sum of products skill by skill."""
        return Capacity(self.rank * (1 if self.combine == "mix" else used), self.rank * kept)


@dataclass(frozen=True)
class CPolyConfig(SkillConfig):
    """C-Poly: common skills shared by all tasks and private skills of each task's own."""

    num_common_skills: int = shared.common_skills(3, minimum=0)
    num_private_skills: int = of_adapter(
        1,
        minimum=0,
        maximum=8,
        level="detailed",
        label="Private skills per task",
        help="Skills that belong to one task alone.",
    )
    private_start: float = of_adapter(
        0.0,
        level="expert",
        minimum=0.0,
        maximum=0.95,
        label="Private skills join after",
        help="Share of stage 1 in which common skills learn alone. They carry more then, and the loss is higher.",
    )
    private_dropout: float = of_adapter(
        0.0,
        level="expert",
        minimum=0.0,
        maximum=0.95,
        label="Leave private skills out",
        help="Share of the examples of stage 1 answered without private skills, so that common ones learn more.",
    )
    private_block: str = of_adapter(
        "one_hot",
        level="expert",
        choices=("one_hot", "learnable"),
        label="Private weights",
        help="one_hot keeps private skills private; learnable only starts that way, as in the paper.",
    )
    routing_heads: int = shared.routing_heads(1, level="expert")

    def check(self) -> list[Problem]:
        if self.num_common_skills + self.num_private_skills:
            return []
        return [Problem("num_common_skills", "adapter.no_skills")]

    def own_stages(self, stages: tuple[str, ...]) -> tuple[str, ...]:
        """Private skills alone have no allocation to refine, unless their weights are learned."""
        learned = self.num_common_skills or self.private_block == "learnable"
        return stages if learned else stages[:1]

    def capacity(self, num_tasks: int) -> Capacity:
        private = self.num_private_skills * num_tasks
        used = private if self.private_block == "learnable" else self.num_private_skills
        return self.columns(self.num_common_skills + used, self.num_common_skills + private)


@dataclass(frozen=True)
class PolyConfig(SkillConfig):
    """Polytropon: common skills only."""

    grows_by: ClassVar[str] = "num_common_skills"

    num_common_skills: int = shared.common_skills(4, minimum=1)

    def capacity(self, num_tasks: int) -> Capacity:
        return self.columns(self.num_common_skills, self.num_common_skills)


@dataclass(frozen=True)
class MHRConfig(PolyConfig):
    """Multi-head routing: Polytropon with a mixture per block of each layer."""

    combine: str = shared.combine("mix")
    routing_heads: int = shared.routing_heads(4, level="detailed")

"""Settings of the baselines: LoRA shared, with dealt ranks, one per task or on learned layers, MoE-LoRA, task-based
MoE, (IA)^3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from core.adapters.settings import shared
from core.adapters.settings.places import Capacity, LinearConfig
from core.adapters.settings.shared import of_adapter
from core.adapters.settings.skills import SkillConfig
from core.base.errors import Problem

TAPS_START, TAPS_BOUND, TAPS_SCALE = 0.15, 0.1, 100.0  # a layer's score, where it falls, and how many times kept
MAX_POOL = 64  # adapters; every one is computed for every row


@dataclass(frozen=True)
class LoraConfig(LinearConfig):
    """One low-rank adapter for all tasks."""

    rank: int = shared.rank(8)
    alpha: float | None = shared.alpha()

    def capacity(self, num_tasks: int) -> Capacity:
        return Capacity(self.rank, self.rank)


@dataclass(frozen=True)
class AdaLoraConfig(LinearConfig):
    """One low-rank adapter for all tasks whose layers compete for ranks."""

    rank: int = shared.rank(8)
    start_rank: int | None = of_adapter(
        None,
        minimum=1,
        maximum=384,
        level="detailed",
        label="Rank at the beginning",
        help="All layers begin with it; the least useful ranks go until Rank is met on average. Empty: half more.",
    )
    prune_from: float = of_adapter(
        0.1,
        minimum=0.0,
        maximum=0.5,
        level="expert",
        label="Ranks go from",
        help="Share of the training after which ranks are taken away.",
    )
    prune_until: float = of_adapter(
        0.7,
        minimum=0.55,
        maximum=0.95,
        level="expert",
        label="Ranks go until",
        help="Share of the training after which the ranks that are left stay.",
    )
    orthogonality: float = of_adapter(
        0.5,
        minimum=0.0,
        maximum=10.0,
        level="expert",
        label="Weight of orthogonality",
        help="Keeps the ranks of a layer apart from each other (AdaLoRA). 0: off; 0.5 is usual.",
    )

    def first_rank(self) -> int:
        return self.start_rank or -(-3 * self.rank // 2)

    def check(self) -> list[Problem]:
        if self.first_rank() >= self.rank:
            return []
        return [Problem("start_rank", "adapter.start_rank", {"start": self.start_rank, "rank": self.rank})]

    def capacity(self, num_tasks: int) -> Capacity:
        """What is left at the end, on average."""
        return Capacity(self.rank, self.rank)

    def cost(self, num_tasks: int) -> Capacity:
        return Capacity(self.first_rank(), self.first_rank())


@dataclass(frozen=True)
class PrivateLoraConfig(LinearConfig):
    """One low-rank adapter per task."""

    rank: int = shared.rank(8)
    kernel: str = shared.kernel()

    def as_skills(self) -> SkillConfig:
        """The same as private skills without common ones, whose router has nothing to draw."""
        return SkillConfig(
            upper_share=self.upper_share,
            target_modules=self.target_modules,
            rank=self.rank,
            kernel=self.kernel,
            noise=False,
        )

    def capacity(self, num_tasks: int) -> Capacity:
        return Capacity(self.rank, self.rank * num_tasks)


@dataclass(frozen=True)
class TapsConfig(PrivateLoraConfig):
    """One low-rank adapter per task on the layers that the task chooses."""

    layer_penalty: float = of_adapter(
        0.5,
        minimum=0.0,
        maximum=1000.0,
        level="detailed",
        label="Price of a layer",
        help="Larger leaves a task fewer layers of its own (TAPS). 0: a layer goes only where it does harm.",
    )
    warm_up: float = of_adapter(
        0.2,
        minimum=0.0,
        maximum=0.95,
        level="expert",
        label="All layers learn for",
        help="Share of the training after which tasks begin to choose their layers.",
    )

    def way_to_choice(self) -> tuple[float, float]:
        return TAPS_SCALE * (TAPS_START - TAPS_BOUND), self.warm_up


def _experts(fewest: int) -> Any:
    return of_adapter(
        4,
        minimum=fewest,
        maximum=64,
        level="detailed",
        label="Experts",
        help="Skills shared by all tasks; each token decides how much of each it uses.",
    )


@dataclass(frozen=True)
class MoeLoraConfig(LinearConfig):
    """Low-rank experts that every token chooses among."""

    grows_by: ClassVar[str] = "num_experts"

    num_experts: int = _experts(2)
    rank: int = shared.rank(2)
    balance: float = shared.reward(
        "Balance of the gate",
        "Keeps a gate from using few experts for everything (load balance). 0: off; 0.01 is usual.",
    )

    def capacity(self, num_tasks: int) -> Capacity:
        return Capacity(self.num_experts * self.rank, self.num_experts * self.rank)


@dataclass(frozen=True)
class ArrowConfig(MoeLoraConfig):
    """Trained LoRAs, an expert each, that every token chooses among without training."""

    num_experts: int = _experts(1)
    experts_a_token: int = of_adapter(
        3,
        minimum=1,
        maximum=64,
        level="expert",
        label="Experts a token",
        help="How many of a library's LoRAs answer for one token (Arrow).",
    )
    likeness_temperature: float = of_adapter(
        1.0,
        minimum=0.01,
        maximum=100.0,
        level="expert",
        label="Temperature of likeness",
        help="Smaller: the LoRA most like a token answers alone (Arrow).",
    )


@dataclass(frozen=True)
class TaskMoeConfig(LinearConfig):
    """A pool of low-rank adapters that a gate mixes by question and task."""

    pool_size: int | None = of_adapter(
        None,
        minimum=2,
        maximum=MAX_POOL,
        level="detailed",
        label="Adapters of the pool",
        help="Adapters that all tasks share, meant to be fewer than the tasks. Empty: half as many, at least 2.",
    )
    rank: int = shared.rank(8)
    task_size: int = of_adapter(
        16,
        level="expert",
        minimum=1,
        maximum=1024,
        label="Numbers that describe a task",
        help="Size of the vector by which the gate knows a task; all that a task added later trains.",
    )
    balance: float = shared.reward(
        "Balance of the gate", "Keeps the gate from using one adapter for everything. 0: off; 0.01 is usual."
    )

    def adapters(self, num_tasks: int) -> int:
        """M, the size of the pool for T tasks."""
        return self.pool_size or min(max(2, (num_tasks + 1) // 2), MAX_POOL)

    def capacity(self, num_tasks: int) -> Capacity:
        columns = self.adapters(num_tasks) * self.rank
        return Capacity(columns, columns)


@dataclass(frozen=True)
class IA3Config(LinearConfig):
    """Learned scales of keys, values and feed-forward activations."""

    per_task: bool = of_adapter(
        True,
        label="Scales of each task's own",
        help="Each task learns its own scales; switched off, all tasks share one set.",
    )

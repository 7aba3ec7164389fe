"""Settings of the baselines: LoRA shared or one per task, MoE-LoRA, (IA)^3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.adapters.settings.places import GROUP, Capacity, LinearConfig
from core.base.settings import setting


@dataclass(frozen=True)
class LoraConfig(LinearConfig):
    """One low-rank adapter for all tasks."""

    rank: int = setting(
        8,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="detailed",
        label="Rank",
        help="Size of the adapter. Larger learns more and costs more memory and time.",
    )
    alpha: float | None = setting(
        None,
        group=GROUP,
        level="expert",
        minimum=0.001,
        maximum=4096.0,
        label="Alpha",
        help="The adapter's output is scaled by alpha / rank. Empty means alpha = rank.",
    )

    def capacity(self, num_tasks: int) -> Capacity:
        return Capacity(self.rank, self.rank)


@dataclass(frozen=True)
class PrivateLoraConfig(LinearConfig):
    """One low-rank adapter per task."""

    rank: int = setting(
        8,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="detailed",
        label="Rank",
        help="Size of the adapter. Larger learns more and costs more memory and time.",
    )
    kernel: str = setting(
        "fused",
        group=GROUP,
        level="expert",
        choices=("fused", "plain"),
        label="Computation",
        help="fused is fast; plain is the readable definition, with the same results.",
    )

    def capacity(self, num_tasks: int) -> Capacity:
        return Capacity(self.rank, self.rank * num_tasks)


@dataclass(frozen=True)
class MoeLoraConfig(LinearConfig):
    """Low-rank experts that every token chooses among."""

    grows_by: ClassVar[str] = "num_experts"

    num_experts: int = setting(
        4,
        group=GROUP,
        minimum=2,
        maximum=64,
        level="detailed",
        label="Experts",
        help="Skills shared by all tasks; each token decides how much of each it uses.",
    )
    rank: int = setting(
        2,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="detailed",
        label="Rank",
        help="Size of the adapter. Larger learns more and costs more memory and time.",
    )

    balance: float = setting(
        0.0,
        group=GROUP,
        level="expert",
        minimum=0.0,
        maximum=10.0,
        label="Balance of the gate",
        help="Keeps a gate from using few experts for everything (load balance). 0: off; 0.01 is usual.",
    )

    def capacity(self, num_tasks: int) -> Capacity:
        return Capacity(self.num_experts * self.rank, self.num_experts * self.rank)


@dataclass(frozen=True)
class IA3Config(LinearConfig):
    """Learned scales of keys, values and feed-forward activations."""

    per_task: bool = setting(
        True,
        group=GROUP,
        label="Scales of each task's own",
        help="Each task learns its own scales; switched off, all tasks share one set.",
    )

"""Settings of adapter methods: where adapters sit. Every settings class of a method builds on these.

Plain dataclasses without torch, so that forms and the command line can read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.adapters.settings import shared
from core.adapters.settings.shared import of_adapter
from core.base.errors import Problem


@dataclass(frozen=True)
class Capacity:
    """Columns of low rank in a layer: `active` for one example, `total` kept for all tasks."""

    active: int
    total: int


@dataclass(frozen=True)
class AdapterConfig:
    """Where adapters sit, a setting of every method; what a method's sizes come to. `grows_by` names the setting by
    which a comparison gives the method more numbers."""

    grows_by: ClassVar[str] = "rank"

    upper_share: float = shared.upper_share(1.0)

    def capacity(self, num_tasks: int) -> Capacity | None:
        """What the settings come to for T tasks; None where the method's size is no rank. Allocation and gates are
        not counted."""
        return None

    def check(self) -> list[Problem]:
        """What is wrong with settings that are right one by one."""
        return []

    def own_stages(self, stages: tuple[str, ...]) -> tuple[str, ...]:
        """Of the method's stages those that have something to train with these settings."""
        return stages

    def way_to_choice(self) -> tuple[float, float] | None:
        """Of a method that chooses as its numbers pass a bound: how far from it they start, and the share of the
        training in which they rest. None: it needs no such time."""
        return None

    def own_skill_rate(self) -> float | None:
        """The learning rate of the skills that these settings want; None: that of the method."""
        return None

    def cost(self, num_tasks: int) -> Capacity:
        """As `capacity`, for the estimate of memory and time: a guess where the size is no rank."""
        return self.capacity(num_tasks) or Capacity(1, 1)


@dataclass(frozen=True)
class LinearConfig(AdapterConfig):
    """Adapters on the linear layers of the blocks."""

    target_modules: str = of_adapter(
        "all",
        level="expert",
        label="Adapted layers",
        help="Linear layers of each block that carry adapters: all, or names separated by commas (q_proj, v_proj).",
        separator=",",
    )

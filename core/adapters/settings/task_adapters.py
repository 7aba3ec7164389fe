"""Settings of the Mixture-of-Task-Adapters (ALTER)."""

from __future__ import annotations

from dataclasses import dataclass

from core.adapters.settings import shared
from core.adapters.settings.places import AdapterConfig, Capacity
from core.adapters.settings.shared import of_adapter

FAITHFUL_RATE = 0.001  # measured by tests/benchmarks/rates.py (assets/docs/decisions.md)


@dataclass(frozen=True)
class MTAConfig(AdapterConfig):
    """Mixture of task adapters: feed-forward adapters mixed by task, then by instance."""

    upper_share: float = shared.upper_share(1 / 3)
    blocks: str | None = of_adapter(
        None,
        level="expert",
        label="Adapted blocks",
        help="Numbers of the blocks with adapters, separated by commas (0 is the first). Empty: the upper share.",
        separator=",",
    )
    form: str = of_adapter(
        "light",
        choices=("light", "faithful"),
        label="Form of an adapter",
        help="light adds a low-rank term to the feed-forward network; faithful copies it, as in the paper.",
    )
    rank: int = shared.rank(8)
    alpha: float | None = shared.alpha()
    num_adapters: int | None = of_adapter(
        None,
        minimum=1,
        maximum=10_000,  # one more than the tasks, which may be many
        level="detailed",
        label="Task adapters",
        help="Adapters that tasks share in overlapping pairs. Empty: one more than the tasks. 1: one for all.",
    )
    selector: str = of_adapter(
        "learned",
        level="expert",
        choices=("learned", "uniform", "own"),
        label="Mixture of a task",
        help="learned: each task learns its weights. To compare with: uniform (all alike), own (one per task).",
    )
    num_shared: int = of_adapter(
        3,
        minimum=0,
        maximum=16,
        level="detailed",
        label="Shared adapters of stage 2",
        help="Adapters for all tasks that stage 2 adds; a gate mixes them with the task's own for each question.",
    )
    selector_temperature: float = of_adapter(
        0.1,
        level="expert",
        minimum=0.001,
        maximum=100.0,
        label="Temperature of the selector",
        help="Smaller makes a task choose fewer adapters.",
    )
    specialise: float = shared.specialise("adapters")
    balance: float = shared.reward(
        "Balance of the gate", "Keeps the gate from using one shared adapter for everything. 0: off; 0.01 is usual."
    )
    dropout: float = of_adapter(
        0.0,
        level="expert",
        minimum=0.0,
        maximum=0.9,
        label="Dropout",
        help="Share of the adapter's output that is dropped at random while training.",
    )
    own_pair: bool = of_adapter(
        False,
        level="expert",
        label="Stage 2 keeps the task's own pair",
        help="The gate of stage 2 weighs only a task's two strongest adapters, as in the paper; off: all of them.",
    )
    gate_size: int = of_adapter(
        64,
        level="expert",
        minimum=1,
        maximum=4096,
        label="Size of the gate",
        help="Hidden units of the network that mixes the shared adapters in stage 2.",
    )
    gate_bias: float = of_adapter(
        4.0,
        level="expert",
        minimum=0.0,
        maximum=20.0,
        label="Start of the gate",
        help="How strongly the gate favours the task's own adapters when stage 2 starts.",
    )
    stage2_trains: str = of_adapter(
        "gate",
        level="expert",
        choices=("gate", "all"),
        label="Stage 2 trains",
        help="gate trains the shared adapters and the gate; all trains the task adapters too.",
    )

    def own_skill_rate(self) -> float | None:
        """A copy of a whole network wants far smaller steps than a low-rank term that starts at zero."""
        return FAITHFUL_RATE if self.form == "faithful" else None

    def cost(self, num_tasks: int) -> Capacity:
        """As much as one low-rank adapter on all layers: here they are more, on fewer layers."""
        return Capacity(self.rank, self.rank)

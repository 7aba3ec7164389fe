"""Settings of the Mixture-of-Task-Adapters (ALTER)."""

from __future__ import annotations

from dataclasses import dataclass

from core.adapters.settings.places import GROUP, AdapterConfig, Capacity
from core.base.settings import setting

FAITHFUL_RATE = 0.001  # measured by tests/benchmarks/rates.py (assets/docs/decisions.md)


@dataclass(frozen=True)
class MTAConfig(AdapterConfig):
    """Mixture of task adapters: feed-forward adapters mixed by task, then by instance."""

    upper_share: float = setting(
        1 / 3,
        group=GROUP,
        level="expert",
        minimum=0.01,
        maximum=1.0,
        label="Share of blocks adapted",
        help="1 adapts every block; 0.5 only the upper half, which trains faster.",
    )
    blocks: str | None = setting(
        None,
        group=GROUP,
        level="expert",
        label="Adapted blocks",
        help="Numbers of the blocks with adapters, separated by commas (0 is the first). Empty: the upper share.",
    )
    form: str = setting(
        "light",
        group=GROUP,
        choices=("light", "faithful"),
        label="Form of an adapter",
        help="light adds a low-rank term to the feed-forward network; faithful copies it, as in the paper.",
    )
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
    num_adapters: int | None = setting(
        None,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="detailed",
        label="Task adapters",
        help="Adapters that tasks share in overlapping pairs. Empty: one more than the tasks. 1: one for all.",
    )
    selector: str = setting(
        "learned",
        group=GROUP,
        level="expert",
        choices=("learned", "uniform", "own"),
        label="Mixture of a task",
        help="learned: each task learns its weights. To compare with: uniform (all alike), own (one per task).",
    )
    num_shared: int = setting(
        3,
        group=GROUP,
        minimum=0,
        maximum=16,
        level="detailed",
        label="Shared adapters of stage 2",
        help="Adapters for all tasks that stage 2 adds; a gate mixes them with the task's own for each question.",
    )
    selector_temperature: float = setting(
        0.1,
        group=GROUP,
        level="expert",
        minimum=0.001,
        maximum=100.0,
        label="Temperature of the selector",
        help="Smaller makes a task choose fewer adapters.",
    )
    specialise: float = setting(
        0.0,
        group=GROUP,
        level="expert",
        minimum=0.0,
        maximum=10.0,
        label="Specialise",
        help="Rewards tasks that choose different adapters (Mod-Squad). 0: off. A sharper map can cost score.",
    )
    balance: float = setting(
        0.0,
        group=GROUP,
        level="expert",
        minimum=0.0,
        maximum=10.0,
        label="Balance of the gate",
        help="Keeps the gate from using one shared adapter for everything. 0: off; 0.01 is usual.",
    )
    dropout: float = setting(
        0.0,
        group=GROUP,
        level="expert",
        minimum=0.0,
        maximum=0.9,
        label="Dropout",
        help="Share of the adapter's output that is dropped at random while training.",
    )
    own_pair: bool = setting(
        False,
        group=GROUP,
        level="expert",
        label="Stage 2 keeps the task's own pair",
        help="The gate of stage 2 weighs only a task's two strongest adapters, as in the paper; off: all of them.",
    )
    gate_size: int = setting(
        64,
        group=GROUP,
        level="expert",
        minimum=1,
        maximum=4096,
        label="Size of the gate",
        help="Hidden units of the network that mixes the shared adapters in stage 2.",
    )
    gate_bias: float = setting(
        4.0,
        group=GROUP,
        level="expert",
        minimum=0.0,
        maximum=20.0,
        label="Start of the gate",
        help="How strongly the gate favours the task's own adapters when stage 2 starts.",
    )
    stage2_trains: str = setting(
        "gate",
        group=GROUP,
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

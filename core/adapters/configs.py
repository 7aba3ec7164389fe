"""Settings of the adapter methods: plain dataclasses without torch, so that forms and the command line can read
them.

A method of its own may also bring its own settings class; these are the shared ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.base.settings import setting

GROUP = "adapter"


@dataclass(frozen=True)
class AdapterConfig:
    """Where adapters sit. Every method has this setting."""

    upper_share: float = setting(
        1.0,
        group=GROUP,
        level="expert",
        minimum=0.01,
        maximum=1.0,
        label="Share of blocks adapted",
        help="1 adapts every block; 0.5 only the upper half, which trains faster.",
    )


@dataclass(frozen=True)
class LinearConfig(AdapterConfig):
    """Adapters on the linear layers of the blocks."""

    target_modules: str = setting(
        "all",
        group=GROUP,
        level="expert",
        label="Adapted layers",
        help="Linear layers of each block that carry adapters: all, or names separated by commas (q_proj, v_proj).",
    )


@dataclass(frozen=True)
class SkillConfig(LinearConfig):
    """Low-rank skills mixed per task: what C-Poly and its family share."""

    rank: int = setting(
        2,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="simple",
        label="Rank of a skill",
        help="Size of one skill. Larger learns more and costs more memory and time.",
    )
    combine: str = setting(
        "sum",
        group=GROUP,
        level="expert",
        choices=("sum", "mix"),
        label="How skills combine",
        help="sum adds the products of the skills; mix averages their factors first and multiplies then.",
    )
    granularity: str = setting(
        "layer",
        group=GROUP,
        level="expert",
        choices=("layer", "model"),
        label="One allocation per",
        help="layer lets every layer choose its own mixture of skills; model uses one mixture everywhere.",
    )
    temperature: float = setting(
        1.0,
        group=GROUP,
        level="expert",
        minimum=0.01,
        maximum=100.0,
        label="Routing temperature",
        help="Smaller pushes the noisy weights of training closer to 0 or 1.",
    )
    noise: bool = setting(
        True,
        group=GROUP,
        level="expert",
        label="Routing noise in training",
        help="Samples the mixing weights while training (Gumbel-sigmoid), so that skills are explored.",
    )
    prune_below: float = setting(
        0.0,
        group=GROUP,
        level="expert",
        minimum=0.0,
        maximum=1.0,
        label="Switch off weights below",
        help="After the last stage, common skills a task uses less than this are switched off for it. 0 keeps all.",
    )
    kernel: str = setting(
        "fused",
        group=GROUP,
        level="expert",
        choices=("fused", "plain"),
        label="Computation",
        help="fused is fast; plain is the readable definition, with the same results.",
    )


@dataclass(frozen=True)
class CPolyConfig(SkillConfig):
    """C-Poly: common skills shared by all tasks and private skills of each task's own."""

    num_common_skills: int = setting(
        3,
        group=GROUP,
        minimum=0,
        maximum=64,
        level="simple",
        label="Common skills",
        help="Skills that all tasks share; each task learns how much of each it uses.",
    )
    num_private_skills: int = setting(
        1,
        group=GROUP,
        minimum=0,
        maximum=8,
        level="simple",
        label="Private skills per task",
        help="Skills that belong to one task alone.",
    )
    private_block: str = setting(
        "one_hot",
        group=GROUP,
        level="expert",
        choices=("one_hot", "learnable"),
        label="Private weights",
        help="one_hot keeps private skills private; learnable only starts that way, as in the paper.",
    )
    routing_heads: int = setting(
        1,
        group=GROUP,
        level="expert",
        minimum=1,
        maximum=64,
        label="Routing heads",
        help="Splits each layer into this many blocks with mixtures of their own.",
    )


@dataclass(frozen=True)
class PolyConfig(SkillConfig):
    """Polytropon: common skills only."""

    num_common_skills: int = setting(
        4,
        group=GROUP,
        minimum=1,
        maximum=64,
        level="simple",
        label="Common skills",
        help="Skills that all tasks share; each task learns how much of each it uses.",
    )


@dataclass(frozen=True)
class MHRConfig(PolyConfig):
    """Multi-head routing: Polytropon with a mixture per block of each layer."""

    combine: str = setting(
        "mix",
        group=GROUP,
        level="expert",
        choices=("sum", "mix"),
        label="How skills combine",
        help="sum adds the products of the skills; mix averages their factors first and multiplies then.",
    )
    routing_heads: int = setting(
        4,
        group=GROUP,
        minimum=1,
        maximum=64,
        label="Routing heads",
        help="Splits each layer into this many blocks with mixtures of their own.",
    )


@dataclass(frozen=True)
class LoraConfig(LinearConfig):
    """One low-rank adapter for all tasks."""

    rank: int = setting(
        8,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="simple",
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


@dataclass(frozen=True)
class PrivateLoraConfig(LinearConfig):
    """One low-rank adapter per task."""

    rank: int = setting(
        8,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="simple",
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


@dataclass(frozen=True)
class MoeLoraConfig(LinearConfig):
    """Low-rank experts that every token chooses among."""

    num_experts: int = setting(
        4,
        group=GROUP,
        minimum=2,
        maximum=64,
        level="simple",
        label="Experts",
        help="Skills shared by all tasks; each token decides how much of each it uses.",
    )
    rank: int = setting(
        2,
        group=GROUP,
        minimum=1,
        maximum=256,
        level="simple",
        label="Rank",
        help="Size of the adapter. Larger learns more and costs more memory and time.",
    )


@dataclass(frozen=True)
class IA3Config(LinearConfig):
    """Learned scales of keys, values and feed-forward activations."""

    per_task: bool = setting(
        True,
        group=GROUP,
        label="Scales of each task's own",
        help="Each task learns its own scales; switched off, all tasks share one set.",
    )


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
        level="simple",
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
        level="simple",
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
        level="simple",
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
        help="Stage 2 mixes only a task's two strongest adapters, as in the paper; switched off, all of them.",
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

"""Settings of the adapter methods: plain dataclasses without torch, so that forms and the command line can read
them.

A method of its own may also bring its own settings class; these are the shared ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.settings import setting

GROUP = "adapter"


@dataclass(frozen=True)
class AdapterConfig:
    """Where adapters sit. Every method has these two settings."""

    target_modules: str = setting(
        "all", group=GROUP, level="expert", label="Adapted layers",
        help="Linear layers of each block that carry adapters: all, or names separated by commas (q_proj, v_proj).",
    )
    upper_share: float = setting(
        1.0, group=GROUP, level="expert", minimum=0.01, maximum=1.0, label="Share of blocks adapted",
        help="1 adapts every block; 0.5 only the upper half, which trains faster.",
    )


@dataclass(frozen=True)
class SkillConfig(AdapterConfig):
    """Low-rank skills mixed per task: what C-Poly and its family share."""

    rank: int = setting(
        2, group=GROUP, minimum=1, maximum=256, level="simple", label="Rank of a skill",
        help="Size of one skill. Larger learns more and costs more memory and time.",
    )
    combine: str = setting(
        "sum", group=GROUP, level="expert", choices=("sum", "mix"), label="How skills combine",
        help="sum adds the products of the skills; mix averages their factors first and multiplies then.",
    )
    granularity: str = setting(
        "layer", group=GROUP, level="expert", choices=("layer", "model"), label="One allocation per",
        help="layer lets every layer choose its own mixture of skills; model uses one mixture everywhere.",
    )
    temperature: float = setting(
        1.0, group=GROUP, level="expert", minimum=0.01, maximum=100.0, label="Routing temperature",
        help="Smaller pushes the noisy weights of training closer to 0 or 1.",
    )
    noise: bool = setting(
        True, group=GROUP, level="expert", label="Routing noise in training",
        help="Samples the mixing weights while training (Gumbel-sigmoid), so that skills are explored.",
    )
    kernel: str = setting(
        "fused", group=GROUP, level="expert", choices=("fused", "plain"), label="Computation",
        help="fused is fast; plain is the readable definition, with the same results.",
    )


@dataclass(frozen=True)
class CPolyConfig(SkillConfig):
    """C-Poly: common skills shared by all tasks and private skills of each task's own."""

    num_common_skills: int = setting(
        3, group=GROUP, minimum=0, maximum=64, level="simple", label="Common skills",
        help="Skills that all tasks share; each task learns how much of each it uses.",
    )
    num_private_skills: int = setting(
        1, group=GROUP, minimum=0, maximum=8, level="simple", label="Private skills per task",
        help="Skills that belong to one task alone.",
    )
    private_block: str = setting(
        "one_hot", group=GROUP, level="expert", choices=("one_hot", "learnable"), label="Private weights",
        help="one_hot keeps private skills private; learnable only starts that way, as in the paper.",
    )
    routing_heads: int = setting(
        1, group=GROUP, level="expert", minimum=1, maximum=64, label="Routing heads",
        help="Splits each layer into this many blocks with mixtures of their own.",
    )


@dataclass(frozen=True)
class PolyConfig(SkillConfig):
    """Polytropon: common skills only."""

    num_common_skills: int = setting(
        4, group=GROUP, minimum=1, maximum=64, level="simple", label="Common skills",
        help="Skills that all tasks share; each task learns how much of each it uses.",
    )


@dataclass(frozen=True)
class MHRConfig(PolyConfig):
    """Multi-head routing: Polytropon with a mixture per block of each layer."""

    combine: str = setting(
        "mix", group=GROUP, level="expert", choices=("sum", "mix"), label="How skills combine",
        help="sum adds the products of the skills; mix averages their factors first and multiplies then.",
    )
    routing_heads: int = setting(
        4, group=GROUP, minimum=1, maximum=64, label="Routing heads",
        help="Splits each layer into this many blocks with mixtures of their own.",
    )


@dataclass(frozen=True)
class LoraConfig(AdapterConfig):
    """One low-rank adapter for all tasks."""

    rank: int = setting(
        8, group=GROUP, minimum=1, maximum=256, level="simple", label="Rank",
        help="Size of the adapter. Larger learns more and costs more memory and time.",
    )
    alpha: float | None = setting(
        None, group=GROUP, level="expert", minimum=0.001, maximum=4096.0, label="Alpha",
        help="The adapter's output is scaled by alpha / rank. Empty means alpha = rank.",
    )

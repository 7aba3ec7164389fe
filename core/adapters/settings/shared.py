"""Settings that several methods have in common, each written once, and the group that all of them stand in."""

from __future__ import annotations

from functools import partial
from typing import Any

from core.base.settings import setting

GROUP = "adapter"
of_adapter = partial(setting, group=GROUP)


def upper_share(default: float) -> Any:
    return of_adapter(
        default,
        level="expert",
        minimum=0.01,
        maximum=1.0,
        label="Share of blocks adapted",
        help="1 adapts every block; 0.5 only the upper half, which trains faster.",
    )


def rank(default: int, thing: str = "Size of the adapter", label: str = "Rank") -> Any:
    return of_adapter(
        default,
        minimum=1,
        maximum=256,
        label=label,
        help=f"{thing}. Larger learns more and costs more memory and time.",
    )


def alpha() -> Any:
    return of_adapter(
        None,
        level="expert",
        minimum=0.001,
        maximum=4096.0,
        label="Alpha",
        help="The adapter's output is scaled by alpha / rank. Empty means alpha = rank.",
    )


def kernel() -> Any:
    return of_adapter(
        "fused",
        level="expert",
        choices=("fused", "plain"),
        label="Computation",
        help="fused is fast; plain is the readable definition, with the same results.",
    )


def combine(default: str) -> Any:
    return of_adapter(
        default,
        level="expert",
        choices=("sum", "mix"),
        label="How skills combine",
        help="sum adds the products of the skills; mix averages their factors first and multiplies then.",
    )


def common_skills(default: int, minimum: int) -> Any:
    return of_adapter(
        default,
        minimum=minimum,
        maximum=64,
        label="Common skills",
        help="Skills that all tasks share; each task learns how much of each it uses.",
    )


def routing_heads(default: int, level: str) -> Any:
    return of_adapter(
        default,
        level=level,
        minimum=1,
        maximum=64,
        label="Routing heads",
        help="Splits each layer into this many blocks with mixtures of their own.",
    )


def reward(label: str, help: str) -> Any:
    """The weight of a term beside the loss; 0 leaves it out."""
    return of_adapter(0.0, level="expert", minimum=0.0, maximum=10.0, label=label, help=help)


def specialise(things: str) -> Any:
    words = f"Rewards tasks that choose different {things} (Mod-Squad). 0: off. A sharper map can cost score."
    return reward("Specialise", words)

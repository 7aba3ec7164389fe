"""Settings of adapter methods: where adapters sit. Every settings class of a method builds on these.

Plain dataclasses without torch, so that forms and the command line can read them.
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

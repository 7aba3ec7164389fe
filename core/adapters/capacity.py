"""Fair comparisons: what a method uses for one example, what it keeps in all, and the rank that makes two equal.

The published numbers of C-Poly compare 3 + T adapters with 4: a method and its capacity are not told apart. So
every comparison here can be made at equal active rank (what one example is computed with) or at equal total
parameters. Torch-free.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from core.adapters.settings.baselines import LoraConfig, PrivateLoraConfig
from core.adapters.settings.places import AdapterConfig
from core.base.errors import SettingError


@dataclass(frozen=True)
class Capacity:
    """Columns of low rank in a layer: `active` for one example, `total` kept for all tasks."""

    active: int
    total: int


def capacity(config: AdapterConfig, num_tasks: int) -> Capacity:
    """The capacity of a method's settings for T tasks. The allocation and gates are not counted.

    Raises:
        SettingError: the method's size is not a rank ((IA)^3, task adapters).
    """
    active, total = _skills(config, num_tasks)
    rank = int(dataclasses.asdict(config)["rank"])
    used = 1 if getattr(config, "combine", "sum") == "mix" else active
    return Capacity(used * rank, total * rank)


def equal_active_rank(config: AdapterConfig, reference: AdapterConfig, num_tasks: int) -> AdapterConfig:
    """`config` with the rank that gives an example as many columns as `reference` does (the nearest, at least
    1).
    """
    one = capacity(_with_rank(config, 1), num_tasks).active
    return _with_rank(config, _nearest(capacity(reference, num_tasks).active, one))


def equal_total_parameters(config: AdapterConfig, reference: AdapterConfig, num_tasks: int) -> AdapterConfig:
    """`config` with the rank that keeps as many columns in all as `reference` does (the nearest, at least 1)."""
    one = capacity(_with_rank(config, 1), num_tasks).total
    return _with_rank(config, _nearest(capacity(reference, num_tasks).total, one))


def _skills(config: AdapterConfig, num_tasks: int) -> tuple[int, int]:
    """(skills an example may use, skills kept)."""
    values: dict[str, Any] = dataclasses.asdict(config)
    if "num_experts" in values:
        return values["num_experts"], values["num_experts"]
    if "num_common_skills" in values:
        common, private = values["num_common_skills"], values.get("num_private_skills", 0)
        every = values.get("private_block") == "learnable"
        return common + private * (num_tasks if every else 1), common + private * num_tasks
    if isinstance(config, PrivateLoraConfig):
        return 1, num_tasks
    if isinstance(config, LoraConfig):
        return 1, 1
    raise SettingError("adapter.no_rank", settings=type(config).__name__)


def _with_rank(config: AdapterConfig, rank: int) -> AdapterConfig:
    if "rank" not in {f.name for f in dataclasses.fields(config)}:
        raise SettingError("adapter.no_rank", settings=type(config).__name__)
    changed: AdapterConfig = dataclasses.replace(config, rank=rank)  # type: ignore[call-arg]
    return changed


def _nearest(wanted: int, unit: int) -> int:
    return max(1, round(wanted / unit))

"""Fair comparisons: what a method uses for one example, what it keeps in all, and the rank that makes two equal.

The published numbers of C-Poly compare 3 + T adapters with 4: a method and its capacity are not told apart. So
every comparison here can be made at equal active rank (what one example is computed with) or at equal total
parameters. Torch-free.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from core.adapters.settings.places import AdapterConfig, Capacity
from core.base.errors import SettingError


def capacity(config: AdapterConfig, num_tasks: int) -> Capacity:
    """The capacity of a method's settings for T tasks. The allocation and gates are not counted.

    Raises:
        SettingError: the method's size is not a rank ((IA)^3, task adapters).
    """
    found = config.capacity(num_tasks)
    if found is None:
        raise SettingError("adapter.no_rank", settings=type(config).__name__)
    return found


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


def equal_numbers(config: AdapterConfig, reference: AdapterConfig, num_tasks: int) -> dict[str, Any]:
    """Changes that give `config` about as many numbers a layer as `reference` holds: more skills of the same rank
    where a method has only shared ones, a larger rank otherwise.

    Raises:
        SettingError: the size of one of the two is not a rank.
    """
    if config.grows_by == "rank":
        equal: Any = equal_total_parameters(config, reference, num_tasks)
        return {"rank": equal.rank}
    now, name = capacity(config, num_tasks).total, config.grows_by
    each = now / getattr(config, name)
    return {name: max(2, round(capacity(reference, num_tasks).total / each))}


def _with_rank(config: AdapterConfig, rank: int) -> AdapterConfig:
    if "rank" not in {f.name for f in dataclasses.fields(config)}:
        raise SettingError("adapter.no_rank", settings=type(config).__name__)
    changed: AdapterConfig = dataclasses.replace(config, rank=rank)  # type: ignore[call-arg]
    return changed


def _nearest(wanted: int, unit: int) -> int:
    return max(1, round(wanted / unit))

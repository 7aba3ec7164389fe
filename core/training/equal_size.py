"""Fair comparisons of methods: the rank that makes a plan's adapter as large as the reference, C-Poly's defaults.

Torch-free. What "as large" means is in `core/adapters/capacity.py`.
"""

from __future__ import annotations

from core.adapters.capacity import capacity, equal_active_rank, equal_total_parameters
from core.adapters.registry import DEFAULT_METHOD, METHODS
from core.adapters.settings.places import AdapterConfig, Capacity
from core.base.errors import SettingError
from core.training.config import RunConfig, change_config

ACTIVE, TOTAL = "active", "total"
REFERENCE = METHODS.get(DEFAULT_METHOD).config_class()


def match_size(config: RunConfig, num_tasks: int, way: str, reference: AdapterConfig = REFERENCE) -> RunConfig:
    """The config with the rank at which an example uses (`way` active) or all tasks together keep (total) as many
    columns as the reference, to the nearest.

    Raises:
        SettingError: the method's size is not a rank, or an unknown way.
    """
    if way not in (ACTIVE, TOTAL):
        raise SettingError("setting.choice", name="equal", value=way, choices=f"{ACTIVE}, {TOTAL}")
    match = equal_active_rank if way == ACTIVE else equal_total_parameters
    matched = match(config.adapter, reference, num_tasks)
    return change_config(config, {"adapter.rank": matched.rank})  # type: ignore[attr-defined]


def plan_size(config: RunConfig, num_tasks: int) -> Capacity | None:
    """What the plan's adapter uses and keeps; None where the method's size is not a rank."""
    try:
        return capacity(config.adapter, num_tasks)
    except SettingError:
        return None

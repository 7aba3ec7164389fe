"""Fair sizes: the rank that makes a plan as large as C-Poly's defaults, from the command line and in the form."""

from __future__ import annotations

import pytest

from core.adapters.settings.places import Capacity
from core.base.errors import SettingError
from core.training.config import RunConfig, change_config
from core.training.equal_size import match_size, plan_size


@pytest.mark.parametrize(
    ("method", "way", "rank", "size"),
    [
        ("lora", "active", 8, Capacity(8, 8)),
        ("lora", "total", 22, Capacity(22, 22)),
        ("poly", "active", 2, Capacity(8, 8)),
        ("poly", "total", 6, Capacity(24, 24)),
        ("private_lora", "active", 8, Capacity(8, 64)),
        ("private_lora", "total", 3, Capacity(3, 24)),
        ("moe_lora", "active", 2, Capacity(8, 8)),
        ("mhr", "active", 8, Capacity(8, 32)),
        ("cpoly", "total", 2, Capacity(8, 22)),
    ],
)
def test_eight_tasks(method, way, rank, size):
    config = change_config(RunConfig(), {"method": method, "adapter.rank": 17})
    assert config.adapter.rank == 17
    matched = match_size(config, 8, way)
    assert matched.adapter.rank == rank
    assert plan_size(matched, 8) == size


def test_methods_whose_size_is_no_rank_say_so():
    for method in ("ia3", "mta"):
        config = change_config(RunConfig(), {"method": method})
        assert plan_size(config, 8) is None
        with pytest.raises(SettingError, match="not a rank"):
            match_size(config, 8, "active")
    with pytest.raises(SettingError):
        match_size(RunConfig(), 8, "sideways")


def test_a_new_method_starts_from_its_own_defaults():
    """Multi-head routing keeps its heads and LoRA its rank; what the user changed goes along."""
    assert change_config(RunConfig(), {"method": "mhr"}).adapter.routing_heads == 4
    assert change_config(RunConfig(), {"method": "lora"}).adapter.rank == 8
    assert change_config(RunConfig(), {"method": "mta"}).adapter.upper_share == pytest.approx(1 / 3)
    changed = change_config(RunConfig(), {"adapter.rank": 5, "adapter.upper_share": 0.5})
    moved = change_config(changed, {"method": "poly"}).adapter
    assert (moved.rank, moved.upper_share, moved.num_common_skills) == (5, 0.5, 4)

"""Equal active rank and equal total parameters, against the parameters of real adapters."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from core.adapters.capacity import capacity, equal_active_rank, equal_total_parameters
from core.adapters.registry import METHODS
from core.adapters.settings.baselines import (
    AdaLoraConfig,
    IA3Config,
    LoraConfig,
    MoeLoraConfig,
    PrivateLoraConfig,
    TapsConfig,
    TaskMoeConfig,
)
from core.adapters.settings.places import Capacity
from core.adapters.settings.skills import CPolyConfig, PolyConfig
from core.adapters.settings.task_adapters import MTAConfig
from core.base.errors import SettingError
from core.base.settings import settings_from_dict
from tests.adapters.contract import NO_TASK_ALONE

CASES = [
    (CPolyConfig(), Capacity(8, 18)),
    (CPolyConfig(combine="mix"), Capacity(2, 18)),
    (CPolyConfig(private_block="learnable"), Capacity(18, 18)),
    (CPolyConfig(num_private_skills=2, rank=3), Capacity(15, 45)),
    (PolyConfig(), Capacity(8, 8)),
    (LoraConfig(), Capacity(8, 8)),
    (AdaLoraConfig(start_rank=8), Capacity(8, 8)),
    (PrivateLoraConfig(rank=4), Capacity(4, 24)),
    (MoeLoraConfig(), Capacity(8, 8)),
    (TapsConfig(rank=4), Capacity(4, 24)),
    (TaskMoeConfig(), Capacity(24, 24)),
    (TaskMoeConfig(pool_size=2, rank=3), Capacity(6, 6)),
]
NAMES = {
    CPolyConfig: "cpoly",
    PolyConfig: "poly",
    LoraConfig: "lora",
    AdaLoraConfig: "adalora",
    PrivateLoraConfig: "private_lora",
    MoeLoraConfig: "moe_lora",
    TapsConfig: "taps",
    TaskMoeConfig: "task_moe",
}


@pytest.mark.parametrize(("config", "expected"), CASES)
def test_capacity_is_what_the_adapter_holds_and_uses(bench, config, expected):
    assert capacity(config, 6) == expected
    from core.models.building import build_modular

    model = build_modular(bench.base("llama"), NAMES[type(config)], config, 6)
    width = sum(s.in_features + s.out_features for s in model.adapter.sites)
    skills = sum(p.numel() for p in model.parameter_groups(1)["skills"])
    assert skills == expected.total * width
    if NAMES[type(config)] not in NO_TASK_ALONE:
        used = {down.shape[0] for down, _ in model.adapter.lora_factors(2).values()}
        own = expected.active if getattr(config, "private_block", "") != "learnable" else 8
        assert used == {own}


def test_equal_ranks():
    cpoly = CPolyConfig(rank=4)
    assert equal_active_rank(LoraConfig(), cpoly, 10) == LoraConfig(rank=16)
    assert equal_active_rank(PolyConfig(), cpoly, 10) == PolyConfig(rank=4)
    assert equal_total_parameters(PolyConfig(), cpoly, 9) == PolyConfig(rank=12)
    assert equal_total_parameters(LoraConfig(alpha=3.0), cpoly, 10) == LoraConfig(rank=52, alpha=3.0)
    assert equal_total_parameters(PrivateLoraConfig(), CPolyConfig(), 100) == PrivateLoraConfig(rank=2)


@pytest.mark.parametrize("config", [IA3Config(), MTAConfig()])
def test_sizes_that_are_no_rank_are_refused(config):
    with pytest.raises(SettingError, match="not a rank"):
        capacity(config, 3)
    with pytest.raises(SettingError):
        equal_active_rank(config, LoraConfig(), 3)


@pytest.mark.parametrize("method", METHODS.names())
def test_what_an_adapter_of_many_tasks_says_of_itself_can_be_read_again(bench, method):
    """Numbers that follow from the tasks stay within what a setting may be."""
    from core.models.building import build_modular

    model = build_modular(bench.base("llama"), method, METHODS.get(method).config_class(), 300)
    told = asdict(model.adapter.config)
    assert settings_from_dict(type(model.adapter.config), told) == model.adapter.config

"""Learning rates of a stage: skills by the base model's width, the allocation at its own rate."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.adapters.registry import METHODS
from core.training.config import RunConfig, change_config
from core.training.optimisation import learning_rates


def model(**sizes: int) -> SimpleNamespace:
    return SimpleNamespace(base=SimpleNamespace(config=SimpleNamespace(**sizes)))


@pytest.mark.parametrize(
    ("sizes", "factor"),
    [
        ({"hidden_size": 256}, 1.0),
        ({"hidden_size": 64}, 1.0),
        ({"hidden_size": 1024}, 0.25),
        ({"d_model": 512}, 0.5),
    ],
)
def test_skills_of_wider_models_take_smaller_steps(sizes: dict[str, int], factor: float) -> None:
    config = change_config(RunConfig(), {"learning_rate_skills": 0.02, "learning_rate_allocation": 0.3})
    rates = learning_rates(model(**sizes), config, stage=1)
    assert rates == {"skills": pytest.approx(0.02 * factor), "allocation": 0.3}
    as_written = change_config(config, {"rate_by_width": False})
    assert learning_rates(model(**sizes), as_written, stage=1)["skills"] == 0.02


def test_rates_are_the_methods_own_unless_they_are_set() -> None:
    narrow = model(hidden_size=64)
    for name in ("cpoly", "mta"):
        method, config = METHODS.get(name), change_config(RunConfig(), {"method": name})
        assert learning_rates(narrow, config, stage=1)["skills"] == method.skill_rate
        assert learning_rates(narrow, config, stage=2)["allocation"] == method.stage2_rate
        chosen = change_config(config, {"stage2_learning_rate": 0.05, "learning_rate_skills": 0.002})
        assert learning_rates(narrow, chosen, stage=2)["allocation"] == 0.05
        assert learning_rates(narrow, chosen, stage=1) == {
            "skills": 0.002,
            "allocation": chosen.learning_rate_allocation,
        }
    assert METHODS.get("cpoly").stage2_rate > 10 * METHODS.get("mta").stage2_rate

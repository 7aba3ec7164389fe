"""Learning rates of a stage: skills by the base model's width, the allocation at its own rate."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.adapters.methods import METHODS
from core.training.config import RunConfig, change_config
from core.training.optimisation import learning_rates


def model(**sizes: int) -> SimpleNamespace:
    return SimpleNamespace(base=SimpleNamespace(config=SimpleNamespace(**sizes)))


@pytest.mark.parametrize(("sizes", "factor"), [
    ({"hidden_size": 256}, 1.0), ({"hidden_size": 64}, 1.0), ({"hidden_size": 1024}, 0.25), ({"d_model": 512}, 0.5),
])
def test_skills_of_wider_models_take_smaller_steps(sizes: dict[str, int], factor: float) -> None:
    config = change_config(RunConfig(), {"learning_rate_skills": 0.02, "learning_rate_allocation": 0.3})
    rates = learning_rates(model(**sizes), config, stage=1)
    assert rates == {"skills": pytest.approx(0.02 * factor), "allocation": 0.3}
    as_written = change_config(config, {"rate_by_width": False})
    assert learning_rates(model(**sizes), as_written, stage=1)["skills"] == 0.02


def test_stage_2_has_a_rate_of_the_methods_own_unless_one_is_set() -> None:
    narrow = model(hidden_size=64)
    rates = {name: learning_rates(narrow, change_config(RunConfig(), {"method": name}), stage=2)["allocation"]
             for name in ("cpoly", "mta")}
    assert rates == {name: METHODS.get(name).stage2_rate for name in rates}
    assert rates["cpoly"] > 10 * rates["mta"]
    chosen = change_config(RunConfig(), {"stage2_learning_rate": 0.05})
    assert learning_rates(narrow, chosen, stage=2)["allocation"] == 0.05
    assert learning_rates(narrow, chosen, stage=1)["allocation"] == chosen.learning_rate_allocation

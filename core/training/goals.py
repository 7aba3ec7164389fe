"""Goals: named sets of settings that the three cards of the Train screen choose between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.registry import Registry
from core.training.config import RunConfig, change_config, config_to_dict


@dataclass(frozen=True)
class Goal:
    """One card. `changes` are differences to the defaults of RunConfig; the titles are the English ones."""

    name: str
    title: str
    summary: str
    changes: dict[str, Any] = field(default_factory=dict)


GOALS: Registry[Goal] = Registry("goal")
GOALS.register("quick", Goal(
    "quick", "Quick try", "One short pass to see that everything fits together. Minutes.",
    {"epochs": 1.0, "stage2_fraction": 0.1, "validation_rows": 32, "exam_rows": 50, "max_tokens": 256},
))
GOALS.register("balanced", Goal(
    "balanced", "Balanced", "Three passes over the data: a good result for reasonable time.", {},
))
GOALS.register("best", Goal(
    "best", "Best", "Ten passes, stopped as soon as the check set no longer improves; the whole exam.",
    {"epochs": 10.0, "stage2_fraction": 0.2, "validation_rows": 200, "exam_rows": None, "patience": 4,
     "schedule": "cosine"},
))
DEFAULT_GOAL = "balanced"


def config_for_goal(name: str, base: RunConfig | None = None) -> RunConfig:
    """The config of a goal: the goal's own settings, everything a goal never touches taken from `base`.

    Raises:
        SettingError: an unknown goal; the message lists the known ones.
    """
    goal = GOALS.get(name)
    fresh = config_to_dict(RunConfig())
    touched = {key for other in GOALS for key in other.changes}
    changes = {key: fresh[key] for key in touched} | goal.changes
    return change_config(base or RunConfig(), changes)


def goal_of(config: RunConfig) -> str | None:
    """The goal whose settings a config still has, or None when it was edited away from all of them."""
    for goal in GOALS:
        if config_for_goal(goal.name, config) == config:
            return goal.name
    return None

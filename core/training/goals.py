"""Goals: named sets of settings that the three cards of the Train screen choose between."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from core.base.registry import Registry
from core.training.config import RunConfig, change_config, config_to_dict


@dataclass(frozen=True)
class Goal:
    """One card. `changes` are differences to the defaults of RunConfig; the titles are the English ones."""

    name: str
    title: str
    summary: str
    changes: dict[str, Any] = field(default_factory=dict)


GOALS: Registry[Goal] = Registry("goal")
GOALS.register(
    "quick",
    Goal(
        "quick",
        "Quick try",
        "One short pass to see that everything fits together. Minutes.",
        {"epochs": 1.0, "stage2_fraction": 0.1, "validation_rows": 32, "exam_rows": 50, "max_tokens": 256},
    ),
)
GOALS.register(
    "balanced",
    Goal("balanced", "Balanced", "Three passes as the mixture deals them out: the usual first real run.", {}),
)
GOALS.register(
    "best",
    Goal(
        "best",
        "Best",
        "Six passes as the mixture deals them out; kept is what answers most check rows rightly; the whole exam.",
        {"epochs": 6.0, "keep_best_by": "score", "exam_rows": None},
    ),
)
DEFAULT_GOAL = "balanced"
STUDY_PATH = Path(__file__).resolve().parents[2] / "assets" / "docs" / "study.json"


@dataclass(frozen=True)
class GoalFigures:
    """What a goal gave when it was measured: seconds from Start to the end of the exam, and the mean exam score
    (0..1) of the trained model, of the untouched one, and of the best guesses on the same rows."""

    seconds: float
    score: float
    base: float
    guess: float


@cache
def read_goal_figures(path: Path = STUDY_PATH) -> dict[str, GoalFigures]:
    """The figures of each goal from the committed study, `{"goals": {"quick": {"seconds", "score", "base",
    "guess"}, ...}}` (`tests/benchmarks/goal_cards.py` writes them); empty while the file holds none, or not all."""
    try:
        goals = json.loads(path.read_text(encoding="utf-8"))["goals"]
        return {
            name: GoalFigures(*(float(goals[name][part]) for part in ("seconds", "score", "base", "guess")))
            for name in GOALS.names()
            if name in goals
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@dataclass(frozen=True)
class DomainFigures:
    """What a goal gave on small shares of the development domains: mean exam score (0..1) of `tasks` tasks in
    `domains` domains, each with so many practice and exam rows, one seed; `guess`: what the best guesses get."""

    score: float
    guess: float
    tasks: int
    domains: int
    rows: int
    exam_rows: int


DOMAINS_PATH = STUDY_PATH.with_name("goals.json")
MEASURED_AS = {"balanced": "balanced", "best": "longer, by score"}  # a goal's arm in `goal_domains.py`


@cache
def read_domain_figures(path: Path = DOMAINS_PATH) -> dict[str, DomainFigures]:
    """From what `tests/benchmarks/goal_domains.py` measured, over the domains that every goal shown has; empty
    while nothing was measured or the file holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rows, runs = found["rows_a_task"], {}
        for goal, arm in MEASURED_AS.items():
            runs[goal] = {run["domain"]: run for run in found["runs"] if run["arm"] == arm}
        shared = sorted(set.intersection(*(set(each) for each in runs.values())))
        if not shared:
            return {}
        size = (len(shared), rows["train"], rows["exam"])
        return {goal: _domain_figures([each[domain] for domain in shared], size) for goal, each in runs.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _domain_figures(runs: list[dict[str, Any]], size: tuple[int, int, int]) -> DomainFigures:
    scores, guesses = ([value for run in runs for value in run[key].values()] for key in ("scores", "guesses"))
    return DomainFigures(sum(scores) / len(scores), sum(guesses) / len(guesses), len(scores), *size)


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

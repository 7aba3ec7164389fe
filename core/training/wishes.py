"""A user's wishes about the skills of a run: read from its settings, checked, and given to the adapter. Only
the call of `build_wished` needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.adapters.registry import METHODS
from core.adapters.wishes import APART, BOUND, FROZEN, Wishes, read_pairs
from core.base.errors import Problem, SettingError
from core.training.config import RunConfig

if TYPE_CHECKING:
    from core.models.loading import LoadedBase
    from core.models.modular import ModularModel

FIELDS = {APART: "keep_apart", BOUND: "bind_tasks"}
FREEZE = "freeze_skills"


def check_wishes(config: RunConfig, tasks: Sequence[str]) -> list[Problem]:
    """Names that are no tasks of the run, wishes that the method cannot hold, wishes that exclude each other."""
    problems = [problem for kind in FIELDS for problem in _check_pairs(config, kind, tasks)]
    problems += _check_freezing(config)
    if problems:
        return problems
    wishes = read_wishes(config, tasks)
    for first, second in wishes.contradictions():
        values = {"first": tasks[first], "second": tasks[second]}
        problems.append(Problem(FIELDS[APART], "wish.contradiction", values))
    common = getattr(config.adapter, "num_common_skills", 0)
    if common and wishes.num_parts() > common:
        values_of = {"parts": wishes.num_parts(), "skills": common}
        problems.append(Problem(FIELDS[APART], "wish.few_skills", values_of))
    return problems


def _check_freezing(config: RunConfig) -> list[Problem]:
    """Whether the method can take skills over; which ones there are is checked where runs are known."""
    method = METHODS.get(config.method)
    common = getattr(config.adapter, "num_common_skills", 0)
    if not read_pairs(config.freeze_skills) or (FROZEN in method.wishes and common):
        return []
    return [Problem(FREEZE, "wish.cannot_frozen", {"method": method.title})]


def _check_pairs(config: RunConfig, kind: str, tasks: Sequence[str]) -> list[Problem]:
    field = FIELDS[kind]
    pairs, method = read_pairs(getattr(config, field)), METHODS.get(config.method)
    if pairs and kind not in method.wishes:
        return [Problem(field, f"wish.cannot_{kind}", {"method": method.title})]
    problems = []
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1]:
            problems.append(Problem(field, "wish.no_pair", {"text": " | ".join(pair), "name": field}))
            continue
        unknown = [name for name in pair if name not in tasks]
        problems += [Problem(field, "wish.unknown", {"task": n, "known": ", ".join(tasks)}) for n in unknown]
    if pairs and kind == BOUND and not getattr(config.adapter, "num_common_skills", 1):
        problems.append(Problem(field, "wish.cannot_bound", {"method": method.title}))
    return problems


def read_wishes(config: RunConfig, tasks: Sequence[str]) -> Wishes:
    """The wishes of a config whose `check_wishes` has nothing to say."""
    names = list(tasks)
    pairs = {
        kind: tuple(
            (names.index(first), names.index(second)) for first, second in read_pairs(getattr(config, field))
        )
        for kind, field in FIELDS.items()
    }
    return Wishes(apart=pairs[APART], bound=pairs[BOUND])


def build_wished(
    base: LoadedBase, config: RunConfig, tasks: Sequence[str], frozen_weights: Path | None = None
) -> ModularModel:
    """A new adapter on the base model that holds the run's wishes; `frozen_weights`: the file with the skills that
    it takes over.

    Raises:
        SettingError: a wish cannot be held. ModelError: the adapter does not fit the model.
    """
    from safetensors.torch import load_file

    from core.models.building import build_modular  # torch

    for problem in check_wishes(config, tasks):
        raise SettingError(problem.key, **problem.values)
    modular = build_modular(base, config.method, config.adapter, list(tasks), config.seed)
    wishes = read_wishes(config, tasks)
    if wishes.kinds:
        modular.adapter.take_wishes(wishes)
    if read_pairs(config.freeze_skills):
        if frozen_weights is None or not frozen_weights.is_file():
            raise SettingError("wish.frozen_lost")
        modular.adapter.freeze_skills({int(place): row for place, row in load_file(frozen_weights).items()})
    return modular

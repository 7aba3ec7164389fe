"""Skills of an earlier run that a run takes over and does not train: found, checked, and kept with the new run.

A run keeps its own copy, so that it can be resumed, repeated and explained when the earlier run is gone:

<run>/frozen/frozen.json         [{run, skill, place, name, base_model, fits}]
<run>/frozen/skills.safetensors  place among the common skills -> its numbers [P]

A skill keeps its place: what was "common 2" is "common 2". Torch-free.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save_file

from core.adapters.registry import METHODS
from core.adapters.wishes import COMMON_TENSOR, FROZEN, read_pairs
from core.base.errors import ModelError, Problem, RunError, SettingError, WorkspaceError
from core.base.files import inside, read_json, require_id, write_json_atomic
from core.models.catalogue import anchor_model
from core.runs.folder import RunFolder
from core.runs.skill_names import common_names, own_name, read_given, read_names
from core.training.config import RunConfig

FIELD = "freeze_skills"
SAME = ("rank", "combine", "upper_share", "target_modules")  # what the numbers of a skill mean depends on these


@dataclass(frozen=True)
class FrozenSkill:
    """`skill` as the method calls it, `place` (0-based) among the common skills, `name` as a person called it or
    empty; `fits`: the settings of the run it comes from that a new run must have too."""

    run: str
    skill: str
    place: int
    name: str
    base_model: str
    fits: dict[str, Any]


def read_frozen(folder: RunFolder) -> list[FrozenSkill]:
    """What a run took over."""
    path = folder.frozen_path
    return [FrozenSkill(**one) for one in read_json(path)] if path.is_file() else []


def check_frozen(runs_dir: Path, config: RunConfig, kept: RunFolder | None = None) -> list[Problem]:
    """Why the wished skills cannot be taken over: no such run or skill in this project, other settings, no place.

    `kept`: a run whose copy is used as long as the wish is the same, although the run it came from may be gone."""
    if not getattr(config, FIELD) or FROZEN not in METHODS.get(config.method).wishes:
        return []  # a method that cannot is told by `check_wishes`
    found, problems = _find(runs_dir, config, kept)
    problems += [problem for one in found for problem in _misfits(one, config)]
    places = [one.place for one in found]
    for one in found:
        if places.count(one.place) > 1 and one is not found[places.index(one.place)]:
            problems.append(Problem(FIELD, "wish.same_place", {"skill": one.skill}))
    common = int(getattr(config.adapter, "num_common_skills", 0))
    if not problems and len(places) >= common:
        problems.append(Problem(FIELD, "wish.all_frozen", {"count": common}))
    return problems


def keep_frozen(folder: RunFolder, config: RunConfig, kept: RunFolder | None = None) -> None:
    """Copies the skills into a new run's folder, whose neighbours are the runs of the project; with them the names
    that a person gave them. Nothing for a config whose `check_frozen` finds problems."""
    runs_dir = folder.path.parent
    if not getattr(config, FIELD) or FROZEN not in METHODS.get(config.method).wishes:
        return
    if kept is not None and _is_kept(kept, config):
        shutil.copytree(kept.frozen_dir, folder.frozen_dir)
        found = read_frozen(folder)
    else:
        found, problems = _find(runs_dir, config, None)
        if problems:
            raise SettingError(problems[0].key, **problems[0].values)
        folder.frozen_dir.mkdir()
        save_file({str(one.place): _numbers(runs_dir, one) for one in found}, folder.frozen_weights_path)
        write_json_atomic(folder.frozen_path, [asdict(one) for one in found])
    tasks = {str(task["name"]).casefold() for task in folder.read_run()["tasks"]}
    names = {one.skill: one.name for one in found if one.name and one.name.casefold() not in tasks}
    if names:
        write_json_atomic(folder.skill_names_path, names)


def _is_kept(kept: RunFolder, config: RunConfig) -> bool:
    return kept.frozen_dir.is_dir() and getattr(kept.read_config(), FIELD) == getattr(config, FIELD)


def _find(runs_dir: Path, config: RunConfig, kept: RunFolder | None) -> tuple[list[FrozenSkill], list[Problem]]:
    if kept is not None and _is_kept(kept, config):
        return read_frozen(kept), []
    found, problems = [], []
    for pair in read_pairs(getattr(config, FIELD)):
        try:
            found.append(_find_one(runs_dir, pair))
        except (SettingError, RunError) as error:
            problems.append(Problem(FIELD, error.key, error.values))
    return found, problems


def _find_one(runs_dir: Path, pair: tuple[str, ...]) -> FrozenSkill:
    """Raises SettingError or RunError: not two parts, no trained run of this project, no common skill of it."""
    if len(pair) != 2:
        raise SettingError("wish.no_skill", text=" | ".join(pair), name=FIELD)
    run, given = pair
    try:
        source = RunFolder(inside(runs_dir, require_id(run)))
    except WorkspaceError as error:
        raise SettingError("wish.no_run", run=run) from error
    if not source.run_path.is_file() or not source.done_path.is_file() or not source.adapter_dir.is_dir():
        raise SettingError("wish.no_run", run=run)
    config, names = source.read_config(), read_names(source.path)
    if FROZEN not in METHODS.get(config.method).wishes:
        raise SettingError("wish.cannot_frozen", method=METHODS.get(config.method).title)
    skill, known = own_name(names, given), common_names(source.path)
    if skill not in known:
        raise SettingError("skill_name.unknown", skill=given, known=", ".join(known))
    fits = {name: getattr(config.adapter, name) for name in SAME}
    name = read_given(source.path).get(skill, "")
    return FrozenSkill(run, skill, known.index(skill), name, config.base_model, fits)


def _misfits(one: FrozenSkill, config: RunConfig) -> list[Problem]:
    """Settings that give the skill's numbers another meaning, and a place that the new run does not have."""
    problems = []
    if _anchored(one.base_model) != _anchored(config.base_model):
        values = {"skill": one.skill, "run": one.run, "made_for": one.base_model, "base": config.base_model}
        problems.append(Problem(FIELD, "wish.other_base", values))
    for name, value in one.fits.items():
        now = getattr(config.adapter, name)
        if now != value:
            told = {"skill": one.skill, "run": one.run, "setting": f"adapter.{name}", "was": value, "now": now}
            problems.append(Problem(FIELD, "wish.other_setting", told))
    common = int(getattr(config.adapter, "num_common_skills", 0))
    if one.place >= common:
        needed = {"skill": one.skill, "needed": one.place + 1, "count": common}
        problems.append(Problem(FIELD, "wish.no_place", needed))
    return problems


def _anchored(base_model: str) -> str:
    try:
        return anchor_model(base_model)
    except ModelError:  # said by other checks
        return base_model


def _numbers(runs_dir: Path, one: FrozenSkill) -> Any:
    """[P]"""
    with safe_open(RunFolder(runs_dir / one.run).weights_path, framework="numpy") as tensors:
        return tensors.get_slice(COMMON_TENSOR)[one.place]

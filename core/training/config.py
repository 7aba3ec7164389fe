"""What one run does, written once: the form, YAML files, the command line, docs and tests read these fields.

Torch-free. Goals (named sets of settings) are in `goals.py`, checks against data in `checks.py`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from core.adapters.registry import METHODS
from core.base.errors import SettingError
from core.base.settings import describe_settings, settings_from_dict, settings_to_dict
from core.base.settings_yaml import parse_yaml_settings
from core.training.settings.learning import LearningSettings, ModelSettings, Stage2Settings
from core.training.settings.machine import MachineSettings
from core.training.settings.rows import EvaluationSettings, MixtureSettings
from core.training.settings.wishes import WishSettings


@dataclass(frozen=True)
class RunConfig(
    MachineSettings,
    EvaluationSettings,
    WishSettings,
    MixtureSettings,
    Stage2Settings,
    LearningSettings,
    ModelSettings,
):
    """Every setting of a run. `adapter` holds the settings of the chosen method (None: its defaults).

    A dataclass takes the fields of its last base first: forms and files show the model's settings at the top.
    """

    adapter: Any = None

    def __post_init__(self) -> None:
        if self.adapter is None:
            object.__setattr__(self, "adapter", METHODS.get(self.method).config_class())


def skill_rate(config: RunConfig) -> float:
    """Learning rate of the skills: as set, else that of the method's settings, else of the method."""
    wishes = (config.learning_rate_skills, config.adapter.own_skill_rate(), METHODS.get(config.method).skill_rate)
    return next(rate for rate in wishes if rate is not None)


def stage2_rate(config: RunConfig) -> float:
    """Learning rate of what stage 2 refines: as set, else the method's own."""
    own = METHODS.get(config.method).stage2_rate
    return own if config.stage2_learning_rate is None else config.stage2_learning_rate


def own_stages(config: RunConfig) -> tuple[str, ...]:
    """What the stages train that the method has with these settings."""
    stages: tuple[str, ...] = config.adapter.own_stages(METHODS.get(config.method).stages)
    return stages


def num_ranks(config: RunConfig) -> int:
    """Training processes over all machines."""
    return config.num_processes * config.num_machines


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain values, the method's settings nested under `adapter`."""
    return {**settings_to_dict(config), "adapter": settings_to_dict(config.adapter)}


def config_from_dict(values: dict[str, Any]) -> RunConfig:
    """Builds and checks a config; unknown names and wrong values are refused.

    Raises:
        SettingError: names the setting.
    """
    flat = {name: value for name, value in values.items() if name != "adapter"}
    nested = values.get("adapter") or {}
    if not isinstance(nested, dict):
        raise SettingError("setting.yaml_shape", file="adapter", found=type(nested).__name__)
    config = settings_from_dict(RunConfig, flat)
    return dataclasses.replace(config, adapter=settings_from_dict(METHODS.get(config.method).config_class, nested))


def config_to_yaml(config: RunConfig) -> str:
    """YAML with one line a setting, in the order of the fields; `config_from_yaml` gives the same config back."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False, allow_unicode=True)


@lru_cache(maxsize=64)
def config_from_yaml(text: str, name: str = "YAML") -> RunConfig:
    """Kept by its text: every redraw of a screen reads the configs of its runs, and YAML is read slowly."""
    return config_from_dict(parse_yaml_settings(text, name))


def load_config(path: Path) -> RunConfig:
    return config_from_yaml(path.read_text(encoding="utf-8-sig"), path.name)


def change_config(config: RunConfig, changes: dict[str, Any]) -> RunConfig:
    """A copy with changes; keys are setting names or `adapter.<name>`. A new method starts from its own defaults;
    what differs from the old method's defaults is kept where both know it."""
    values = config_to_dict(config)
    nested = dict(values.pop("adapter"))
    method = changes.get("method", config.method)
    if method != config.method:
        known = {info.name for info in describe_settings(METHODS.get(method).config_class)}
        usual = settings_to_dict(METHODS.get(config.method).config_class())
        nested = {name: value for name, value in nested.items() if name in known and value != usual[name]}
    for name, value in changes.items():
        if name.startswith("adapter."):
            nested[name.removeprefix("adapter.")] = value
        else:
            values[name] = value
    return config_from_dict({**values, "adapter": nested})


def apply_assignments(config: RunConfig, assignments: list[str]) -> RunConfig:
    """Applies `key=value` texts such as `batch_size=8` or `adapter.rank=4`; values are read as YAML scalars. Of a
    setting that is a list, the entries of all its texts count.

    Raises:
        SettingError: a text without '=', an unknown name, a value that does not fit, two values for one setting.
    """
    given: dict[str, list[str]] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise SettingError("setting.assignment", text=text)
        given.setdefault(name.strip(), []).append(value.strip())
    method = given.get("method", [config.method])[0]
    return change_config(config, {name: _one_value(name, values, method) for name, values in given.items()})


def _one_value(name: str, values: list[str], method: str) -> str:
    """Raises SettingError where the values contradict each other."""
    different = list(dict.fromkeys(values))
    if len(different) == 1:
        return different[0]
    owner = METHODS.get(method).config_class if name.startswith("adapter.") else RunConfig
    separators = {info.name: info.separator for info in describe_settings(owner)}
    separator = separators.get(name.removeprefix("adapter."), "")
    if not separator or {"", "none"} & set(different):
        raise SettingError("setting.twice", name=name, values=", ".join(different))
    entries = dict.fromkeys(entry.strip() for value in different for entry in value.split(separator))
    return f"{separator} ".join(entry for entry in entries if entry)

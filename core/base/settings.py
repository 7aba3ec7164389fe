"""Settings are written once: a dataclass field with its type, default, label, help, unit and bounds.

The form, the command line, YAML files, the docs and the tests all read the same fields. English labels stand here,
other languages in `app/texts/` under the key `setting.<name>`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from core.base.errors import Problem, SettingError

S = TypeVar("S")
# What a changed setting means for training that was interrupted: the result is the same; it differs, but what was
# learned so far still fits; training has to begin anew.
SAME_RESULT, STILL_FITS, BEGINS_ANEW = "same result", "still fits", "begins anew"
_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


@dataclass(frozen=True)
class SettingInfo:
    """One setting as a form or a help page sees it. `level` is simple, detailed or expert; `changed` says what a
    change means for training that was interrupted; `separator` stands between the entries of a text that is a
    list."""

    name: str
    type: type
    optional: bool
    default: Any
    label: str
    help: str
    unit: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    group: str
    level: str
    changed: str
    separator: str = ""


def setting(
    default: Any,
    *,
    label: str,
    help: str,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    group: str = "training",
    level: str = "detailed",
    changed: str = BEGINS_ANEW,
    separator: str = "",
) -> Any:
    """A dataclass field that knows how to explain and check itself."""
    info = {
        "label": label,
        "help": help,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "group": group,
        "level": level,
        "changed": changed,
        "separator": separator,
    }
    return dataclasses.field(default=default, metadata=info)


def describe_settings(cls: type) -> list[SettingInfo]:
    """All fields made by `setting`, in the order they were written."""
    return list(_described(cls))


@lru_cache(maxsize=128)
def _described(cls: type) -> tuple[SettingInfo, ...]:
    """Once a class: reading its type hints takes half a millisecond, and a redraw asks for them dozens of times."""
    hints = get_type_hints(cls)
    infos = []
    for f in dataclasses.fields(cls):
        if "label" not in f.metadata:
            continue
        plain, optional = _plain_type(hints[f.name])
        infos.append(SettingInfo(name=f.name, type=plain, optional=optional, default=f.default, **f.metadata))
    return tuple(infos)


def check_settings(values: Any) -> list[Problem]:
    """Every setting that is out of type, bounds or choices, all at once."""
    problems: list[Problem] = []
    for info in describe_settings(type(values)):
        problems += _check_value(info, getattr(values, info.name))
    return problems


def require_settings(values: Any) -> None:
    """Raises the first problem of `check_settings` as a SettingError."""
    for problem in check_settings(values):
        raise SettingError(problem.key, **problem.values)


def settings_from_dict(cls: type[S], values: dict[str, Any]) -> S:
    """Builds and checks a settings object; text values (from a command line or form) are converted to the type.

    Raises:
        SettingError: an unknown name, or a value out of type, bounds or choices.
    """
    infos = {info.name: info for info in describe_settings(cls)}
    converted = {}
    for name, value in values.items():
        if name not in infos:
            raise unknown_setting(name, infos)
        converted[name] = convert_setting(infos[name], value)
    built = cls(**converted)
    require_settings(built)
    return built


def unknown_setting(name: object, known: Iterable[str]) -> SettingError:
    """Names the setting that was meant, where one is written nearly so; else all of them. YAML may read `true`."""
    names = list(known)
    if near := get_close_matches(str(name), names, n=2, cutoff=0.75):
        return SettingError("setting.nearly", name=name, nearest=", ".join(near))
    return SettingError("setting.unknown", name=name, known=", ".join(names))


def settings_to_dict(values: Any) -> dict[str, Any]:
    return {info.name: getattr(values, info.name) for info in describe_settings(type(values))}


def convert_setting(info: SettingInfo, value: Any) -> Any:
    """Text to the setting's type; a value already of the type (or an int for a float) passes."""
    if info.optional and (value is None or value == "" or value == "none"):
        return None
    if isinstance(value, info.type) and not (info.type is int and isinstance(value, bool)):
        return value
    try:
        if info.type is bool and isinstance(value, str):
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
        if info.type in (int, float) and isinstance(value, (int, float, str)) and not isinstance(value, bool):
            number = float(value)
            if info.type is int and number != int(number):
                raise ValueError(value)
            return info.type(number)
    except (ValueError, KeyError, OverflowError):
        pass
    expected = _EXPECTED.get(info.type, "another type")
    raise SettingError("setting.type", name=info.name, value=value, expected=expected)


def _plain_type(hint: Any) -> tuple[type, bool]:
    if get_origin(hint) in (Union, UnionType):
        inner = [arg for arg in get_args(hint) if arg is not NoneType]
        return inner[0], True
    return hint, False


def _check_value(info: SettingInfo, value: Any) -> list[Problem]:
    if value is None and info.optional:
        return []
    fits = isinstance(value, info.type) or (info.type is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and info.type is not bool):
        expected = _EXPECTED.get(info.type, "another type")
        return [Problem(info.name, "setting.type", {"name": info.name, "value": value, "expected": expected})]
    if info.choices and value not in info.choices:
        choices = ", ".join(info.choices)
        return [Problem(info.name, "setting.choice", {"name": info.name, "value": value, "choices": choices})]
    if info.type in (int, float) and value != value:
        return [Problem(info.name, "setting.type", {"name": info.name, "value": value, "expected": "a number"})]
    if info.minimum is not None and value < info.minimum:
        return [Problem(info.name, "setting.low", {"name": info.name, "value": value, "bound": info.minimum})]
    if info.maximum is not None and value > info.maximum:
        return [Problem(info.name, "setting.high", {"name": info.name, "value": value, "bound": info.maximum})]
    return []

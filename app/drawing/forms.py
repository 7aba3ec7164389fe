"""Settings fields to widgets and back: a form knows no setting by name, it reads what the config classes say.

The config itself travels as YAML text, so that cards, form and YAML editor change one and the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.texts import say, word_choice, word_setting
from app.texts.words import Key, Words
from core.adapters.registry import METHODS
from core.base.errors import TaskloomError
from core.base.settings import SettingInfo, describe_settings
from core.training.config import RunConfig, change_config, config_from_yaml, config_to_dict

ADAPTER = "adapter."


@dataclass(frozen=True)
class FormField:
    """One widget. `name` is the setting's name in a config (`adapter.rank`).

    `method` is the adapter method it belongs to, None for settings that every run has.
    """

    name: str
    info: SettingInfo
    method: str | None
    widget: Any

    @property
    def key(self) -> str:
        """Settings of two methods may have one name."""
        return f"{self.method or ''}:{self.name}"


def list_settings() -> list[tuple[str, SettingInfo, str | None]]:
    """(name in a config, setting, method) of everything a run can be told, in the order it was written."""
    common = [(info.name, info, None) for info in describe_settings(RunConfig)]
    own = [
        (ADAPTER + info.name, info, method.name)
        for method in METHODS
        for info in describe_settings(method.config_class)
    ]
    return [*common, *own]


def build_field(
    words: Words, name: str, info: SettingInfo, method: str | None, choices: Sequence[Any] = ()
) -> FormField:
    """The widget that fits a setting's type; label, unit, bounds and help come from the setting.

    `choices`, (label, value), offers values for a free text.
    """
    label, explained = word_setting(info)
    given = {
        "label": label,
        "info": _help(info, explained),
        "value": info.default,
        "elem_id": f"set-{name.replace('.', '-')}",
    }
    if method:
        given["elem_id"] += f"-{method}"
    if info.type is bool:
        widget = gr.Checkbox(min_width=160, **given)
    elif info.choices:
        widget = gr.Dropdown(choices=_worded(info), filterable=False, min_width=220, **given)
    elif choices:
        widget = gr.Dropdown(choices=_said(choices), allow_custom_value=True, **given)
    elif info.type in (int, float):
        widget = gr.Number(precision=0 if info.type is int else None, step=1 if info.type is int else None, **given)
    else:
        widget = gr.Textbox(max_lines=1, max_length=500, **given)
    spoken = any(isinstance(label, Key) for label, _ in choices)
    words.follow(widget, lambda: _texts(info) | ({"choices": _said(choices)} if spoken else {}))
    return FormField(name, info, method, widget)


def form_values(fields: Iterable[FormField], config: RunConfig) -> list[Any]:
    """What each widget shows for a config; fields of other methods keep what they show."""
    flat = _flat(config)
    return [flat[field.name] if field.method in (None, config.method) else gr.skip() for field in fields]


def read_form(fields: Sequence[FormField], values: Sequence[Any], config: RunConfig) -> RunConfig:
    """The config that the widgets show; `config` gives what no widget shows.

    Raises:
        SettingError: a field is empty, of the wrong type or out of bounds.
    """
    shown = dict(zip((field.key for field in fields), values, strict=True))
    method = shown.get(":method", config.method)
    changes = {field.name: shown[field.key] for field in fields if field.method in (None, method)}
    return change_config(config, changes)


def read_yaml(text: str) -> RunConfig:
    return config_from_yaml(text, "YAML")


def kept_plan(text: Any) -> RunConfig | None:
    """What a browser has kept as its plan; None where that is nothing, or no config any more."""
    if not isinstance(text, str) or not text:
        return None
    try:
        return read_yaml(text)
    except TaskloomError:
        return None


def differences(config: RunConfig, before: RunConfig | None = None) -> list[tuple[str, Any, Any]]:
    """(name, value before, value) of every setting that is not as it was `before`; without that, not at its
    default: what a reader of a run wants to know."""
    old = _flat(before or change_config(RunConfig(), {"method": config.method}))
    return [(name, old.get(name), value) for name, value in _flat(config).items() if value != old.get(name)]


def setting_labels() -> Callable[[str], str]:
    """Name of a setting to its label in a language."""
    labels = {name: word_setting(info)[0] for name, info, _ in list_settings()}
    return lambda name: labels.get(name, name)


def level_choices() -> list[tuple[Key, str]]:
    return [(Key(f"level.{level}"), level) for level in ("simple", "detailed", "yaml")]


def _flat(config: RunConfig) -> dict[str, Any]:
    values = config_to_dict(config)
    nested = values.pop("adapter")
    return {**values, **{ADAPTER + name: value for name, value in nested.items()}}


def _texts(info: SettingInfo) -> dict[str, Any]:
    label, explained = word_setting(info)
    worded: dict[str, Any] = {"choices": _worded(info)} if info.choices else {}
    return {"label": label, "info": _help(info, explained), **worded}


def _worded(info: SettingInfo) -> list[tuple[str, str]]:
    """(label, value) of the choices of a setting."""
    return [(word_choice(info.name, choice), choice) for choice in info.choices]


def _said(choices: Sequence[Any]) -> list[Any]:
    return [(say(label) if isinstance(label, Key) else label, value) for label, value in choices]


def _help(info: SettingInfo, explained: str) -> str:
    """The help with the expert's name of the setting in brackets, so that an ML reader can map it."""
    return say("form.help", help=explained, name=info.name)

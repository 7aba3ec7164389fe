"""Settings: typed conversion, all problems at once, YAML errors with their line."""

from dataclasses import dataclass

import pytest

from core.base.errors import SettingError
from core.base.settings import check_settings, describe_settings, setting, settings_from_dict, settings_to_dict
from core.base.settings_yaml import parse_yaml_settings


@dataclass(frozen=True)
class Oven:
    heat: float = setting(180.0, label="Heat", help="How hot", unit="C", minimum=50, maximum=300)
    trays: int = setting(2, label="Trays", help="How many", minimum=1)
    mode: str = setting("fan", label="Mode", help="Which", choices=("fan", "grill"))
    light: bool = setting(True, label="Light", help="On or off")
    timer: int | None = setting(None, label="Timer", help="Minutes")


def test_text_values_become_the_settings_type() -> None:
    oven = settings_from_dict(Oven, {"heat": "200", "trays": "3", "light": "no", "timer": "none"})
    assert oven == Oven(heat=200.0, trays=3, light=False, timer=None)
    assert isinstance(oven.heat, float)
    assert settings_from_dict(Oven, settings_to_dict(oven)) == oven


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"heat": 400}, "setting.high"),
        ({"heat": "hot"}, "setting.type"),
        ({"heat": float("nan")}, "setting.type"),
        ({"trays": 2.5}, "setting.type"),
        ({"trays": True}, "setting.type"),
        ({"trays": 0}, "setting.low"),
        ({"mode": "steam"}, "setting.choice"),
        ({"light": "maybe"}, "setting.type"),
        ({"heat": None}, "setting.type"),
        ({"colour": "red"}, "setting.unknown"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict, key: str) -> None:
    with pytest.raises(SettingError) as caught:
        settings_from_dict(Oven, values)
    assert caught.value.key == key
    assert next(iter(values)) in str(caught.value)


def test_check_reports_every_problem_at_once() -> None:
    problems = check_settings(Oven(heat=10, trays=0, mode="x"))
    assert [p.field for p in problems] == ["heat", "trays", "mode"]


def test_optional_is_seen_and_none_allowed() -> None:
    info = {i.name: i for i in describe_settings(Oven)}
    assert info["timer"].optional
    assert info["timer"].type is int
    assert not info["heat"].optional


def test_a_broken_yaml_line_is_named() -> None:
    with pytest.raises(SettingError) as caught:
        parse_yaml_settings("heat: 3\ntrays: [1,\n", "oven.yaml")
    assert caught.value.values["file"] == "oven.yaml"
    assert caught.value.values["line"] >= 2
    with pytest.raises(SettingError, match="list"):
        parse_yaml_settings("- 1\n- 2\n")

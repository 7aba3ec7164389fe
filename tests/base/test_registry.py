"""Registry and wording: duplicates refused, unknown names list the known ones, no wording lacks a hint."""

import string

import pytest

from core.base.errors import Problem, SettingError, TaskloomError
from core.base.registry import Registry
from core.messages import MESSAGES


def test_duplicates_and_unknown_names() -> None:
    registry: Registry[int] = Registry("colour")
    registry.register("red", 1)
    registry.register("blue", 2)
    with pytest.raises(ValueError, match="red"):
        registry.register("red", 3)
    with pytest.raises(SettingError, match=r"no colour named 'green'.*red, blue"):
        registry.get("green")
    assert registry.names() == ["red", "blue"]


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_every_message_takes_its_values(key: str) -> None:
    """Statuses and sentences about tables have no hint; that errors have one is held by tests/test_words.py."""
    what, hint = MESSAGES[key]
    assert what.strip()
    names = {name for _, name, _, _ in string.Formatter().parse(what + hint) if name is not None}
    error = TaskloomError(key, **dict.fromkeys(names, 3))
    assert str(error) == f"{error.message} {error.hint}".strip()
    assert not any("{" + name in str(error) for name in names)


def test_a_missing_value_does_not_hide_the_error() -> None:
    assert "{name" in TaskloomError("workspace.no_run").message
    problem = Problem("x", "setting.low", {"name": "x", "value": 1, "bound": 2})
    assert problem.as_dict()["message"].startswith("Setting x")

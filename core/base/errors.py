"""One exception tree. An error is a message key plus the values in it, so that every language can say it.

The wording of a key in every language lives in `assets/locales/`. `str(error)` is the English
message (what happened, with the value) followed by the hint (what to do).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from core.messages import english


class TaskloomError(Exception):
    """Root of everything this project raises on purpose. `key` names the message, `values` fill it."""

    def __init__(self, key: str, **values: Any) -> None:
        self.key = key
        self.values = values
        self.message, self.hint = english(key, values)
        super().__init__(f"{self.message} {self.hint}".strip())


class TaskFileError(TaskloomError):
    """A task file cannot be read or used: names the file, the line or column, and what to do."""


class SettingError(TaskloomError):
    """A setting, name or argument is unknown, out of bounds or does not fit the others."""


class WorkspaceError(TaskloomError):
    """A project, task or run does not exist, cannot be written, or a name is taken."""


class MissingFileError(WorkspaceError, FileNotFoundError):
    """A file of this program is not there. Whoever expects that catches FileNotFoundError; else it is worded."""


class ModelError(TaskloomError):
    """A base model or adapter cannot be loaded, does not fit, or is refused for safety."""


class RunError(TaskloomError):
    """A run cannot be started, stopped, resumed or read in its present state."""


@dataclass(frozen=True)
class Problem:
    """What a `check_` function found: the field or place, and a message key with its values."""

    field: str
    key: str
    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    severity: str = "error"  # "error" stops, "warning" is shown, "note" tells what was done

    @property
    def message(self) -> str:
        return english(self.key, self.values)[0]

    @property
    def hint(self) -> str:
        return english(self.key, self.values)[1]

    @property
    def raw(self) -> str:
        """The text of the row that this is about, shortened and escaped; "" where there is none."""
        return str(self.values.get("raw", ""))

    def as_dict(self) -> dict[str, Any]:
        return {
            "field": self.field,
            "key": self.key,
            "values": self.values,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
        }


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a message as JSON can hold them: what crosses from a worker to its readers."""
    return {k: v if isinstance(v, str | int | float | bool | None) else str(v) for k, v in values.items()}


def require_between(name: str, value: float | None, low: float, high: float) -> None:
    """Nothing to say of a value that is not given.

    Raises:
        SettingError: out of bounds, or no number at all (nan).
    """
    if value is not None and not low <= value <= high:
        raise SettingError("serving.bad_value", name=name, value=value, low=low, high=high)


def short_detail(error: BaseException) -> str:
    """What happened in one line, for a message's value: without what to do, which may not fit there."""
    told = error.message if isinstance(error, TaskloomError) else str(error)
    return (told.strip() or type(error).__name__).splitlines()[0][:200]

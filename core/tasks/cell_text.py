"""How a value of a file becomes text: one rule for prompts, one for answers, the same for every format."""

from __future__ import annotations

import json
import re
from typing import Any

EMPTY_LIST = "none"
LABEL_JOIN = "; "
_LABEL_MARKS = re.compile(r"\s*[;；|\n]\s*")
_LARGEST = 1 << 63  # what JSON libraries keep exactly


def input_text(value: Any) -> str:
    """A value inside a prompt; list items stand on lines of their own."""
    return _text(value, "\n")


def target_text(value: Any) -> str:
    """A value as an answer; list items are joined with '; '."""
    return _text(value, "; ").strip()


def split_labels(text: str) -> list[str]:
    """'a; b|c' -> a, b, c: the marks that people put between several labels of one cell."""
    return _LABEL_MARKS.split(text.strip())


def _text(value: Any, separator: str) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        parts = [text for text in (_text(v, ", ") for v in value) if text.strip()]
        return separator.join(parts) if parts else EMPTY_LIST
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(v, ', ')}" for key, v in value.items()) if value else EMPTY_LIST
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def plain_value(value: Any) -> Any:
    """The value as JSON keeps it; anything JSON does not know becomes its text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -_LARGEST <= value < _LARGEST else str(value)
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return _text(value, "; ")
    return value

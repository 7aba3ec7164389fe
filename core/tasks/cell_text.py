"""How a value of a file becomes text: one rule for prompts, one for answers, the same for every format."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any

EMPTY_LIST = "none"
LABEL_JOIN = "; "
# What parts several labels of one cell: one of the marks people put, commas too, or a list as a program prints it.
# Or each label has an answer column of its own (label_columns.py).
MARKS, COMMAS, LISTED = ";", ",", "[]"
FLAGS, TICKS = "columns", "ticks"
LABEL_MARKS = (MARKS, COMMAS, LISTED, FLAGS, TICKS)
_BY_MARKS = {MARKS: re.compile(r"\s*[;；|\n]\s*"), COMMAS: re.compile(r"\s*[;；|\n,，、]\s*")}
_LONGEST_LIST = 10_000  # characters
_LARGEST = 1 << 63  # what JSON libraries keep exactly


def input_text(value: Any) -> str:
    """A value inside a prompt; list items stand on lines of their own."""
    return _text(value, "\n")


def target_text(value: Any) -> str:
    """A value as an answer; list items are joined with '; '."""
    return _text(value, "; ").strip()


def split_labels(text: str, marks: str = MARKS) -> list[str]:
    """'a; b|c' -> a, b, c; with COMMAS 'a, b' too; with LISTED "['a', 'b']", and what is no list at the marks."""
    listed = read_listed(text) if marks == LISTED else None
    if listed is not None:
        return listed
    return [item for item in _BY_MARKS[COMMAS if marks == COMMAS else MARKS].split(text.strip()) if item]


def label_splitter(marks: str) -> Callable[[str], list[str]]:
    return lambda text: split_labels(text, marks)


def read_listed(text: str) -> list[str] | None:
    """The items of a list written as text: JSON, Python's ['a', 'b'], ('a',) or {'a'}, numpy's ['a' 'b'], or plain
    [a, b]; None when it is none of these."""
    text = text.strip()
    if len(text) > _LONGEST_LIST or text[:1] + text[-1:] not in ("[]", "()", "{}"):
        return None
    quoted = text[1:].lstrip()[:1] in ("'", '"')
    if text == "[]":
        return []
    if not quoted and text[0] != "[":
        return None
    found = _parsed(text)
    if isinstance(found, list | tuple | set) and all(isinstance(i, str | int | float | None) for i in found):
        spaced = quoted and "," not in text  # numpy puts no commas: Python would join 'a' 'b'
        if not spaced:
            return [item for item in (_text(i, ", ").strip() for i in found) if item]
    if quoted:
        items = re.findall(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", text)
        return [a or b for a, b in items if a or b]
    inner = text[1:-1]
    return None if "[" in inner or "]" in inner else [i for i in _BY_MARKS[COMMAS].split(inner.strip()) if i]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


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

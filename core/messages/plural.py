"""Texts with counts: '{count} {count:row|rows}' puts one of two wordings after a number.

The wordings stand where a format has its width and digits, so a text with counts stays an ordinary template. The
first one is for exactly 1, the second for 0 and all others, as English wants it; Chinese needs none.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

_BETWEEN = "|"


def plural(count: Any, wordings: str) -> str:
    """One of two wordings ('row|rows') for a count, which may be written out already ('1'; '1.0' is many)."""
    one, _, many = wordings.partition(_BETWEEN)
    return one if str(count) == "1" else many


def counted(count: int, wordings: str) -> str:
    """'1 row', '1200 rows'."""
    return f"{count} {plural(count, wordings)}"


def fill_text(text: str, values: Mapping[str, Any]) -> str:
    """A template with its values.

    Raises:
        KeyError: a value is missing (unless the mapping has an answer for it).
    """
    if _BETWEEN not in text:
        return text.format_map(values)
    return _COUNTING.vformat(text, (), values)


class _Counting(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        if _BETWEEN in format_spec:
            return plural(value, format_spec)
        return super().format_field(value, format_spec)


_COUNTING = _Counting()

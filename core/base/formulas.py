"""Texts that a spreadsheet would run as a formula: everything written as CSV or as a sheet goes through `guard`.

A program may pass over what it does not show (blanks, line breaks, marks of no width) and read full-width and small
forms of the signs as the signs themselves.
"""

from __future__ import annotations

import re

_UNSEEN = r"\s\x00-\x1f\x7f-\x9f\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_SIGNS = r"=+\-@\u207a\u207b\u207c\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
_FORMULA = re.compile(rf"'*(?:[\t\r\n]|[{_UNSEEN}]*[{_SIGNS}])")
_NUMBER = re.compile(r"[-+](?:\d+\.?\d*|\.\d+)", re.ASCII)


def guard(text: str) -> str:
    """A text that no spreadsheet takes for a formula; numbers are none."""
    return f"'{text}" if _is_formula(text) else text


def unguard(text: str) -> str:
    """The inverse of `guard`."""
    return text[1:] if text[:1] == "'" and _is_formula(text[1:]) else text


def _is_formula(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None

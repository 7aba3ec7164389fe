"""Plain words for what the readers of JSON and YAML say of a text they cannot read; what is not listed stays.

The first column is how a message of Python's json (3.11 to 3.13) or PyYAML's reader begins.
"""

from __future__ import annotations

_BEGINNINGS = (
    ("Expecting value", "a value is missing or is not written as JSON wants it"),
    ("Expecting ',' delimiter", "a comma or a closing bracket is missing"),
    ("Expecting ':' delimiter", "a colon is missing after a name"),
    ("Expecting property name enclosed in double quotes", "a name in double quotes is missing"),
    ("Illegal trailing comma", "there is a comma before the closing bracket"),
    ("Unterminated string", "a text has no closing quote"),
    ("Invalid control character", "a text holds a line break or a tab; write \\n or \\t"),
    ("Invalid \\escape", "a backslash in a text is not doubled"),
    ("Invalid \\uXXXX escape", "four hexadecimal digits are missing after \\u"),
    ("Extra data", "extra text after the value"),
    ("mapping values are not allowed here", "a second colon on the line, or one space too many before it"),
    ("could not find expected ':'", "a colon is missing after a name"),
    ("found character '\\t'", "a tab stands where spaces are wanted"),
    ("expected <block end>", "the line does not stand under the lines above it"),
    ("expected ',' or", "a comma or a closing bracket is missing"),
    ("found unexpected end of stream", "a text has no closing quote"),
)
PLAIN_DETAILS = tuple(dict.fromkeys(plain for _, plain in _BEGINNINGS))


def plain_detail(said: str) -> str:
    """What a reader said, in plain words where it is known."""
    return next((plain for beginning, plain in _BEGINNINGS if said.startswith(beginning)), said)

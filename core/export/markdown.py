"""Markdown of documents that leave the workbench: texts of users stay texts."""

from __future__ import annotations

import html
from typing import Any

LONGEST_CELL = 300


def escape(text: str) -> str:
    """Text of a user on one line, without anything that Markdown or HTML would act on."""
    plain = html.escape(" ".join(text.split())[:LONGEST_CELL], quote=False)
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+!|~$" else c for c in plain)


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def markdown_table(head: str, rows: list[list[Any]]) -> str:
    count = head.count("|") + 1
    lines = [f"| {head} |", "|" + " --- |" * count]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])

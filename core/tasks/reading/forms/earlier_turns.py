"""Alpaca with history: a column of earlier turns, [["question", "answer"], ...], becomes a text beside the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.tasks.reading.column_words import name_words
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.forms.turns import load_list, parse_turns
from core.tasks.reading.table import ProblemLog, Table

_WORDS = frozenset(("history", "past", "previous", "earlier", "历史", "歷史", "dialogue_history"))
_NAMES = {"user": "User", "assistant": "Assistant"}


def _find(table: Table) -> str | None:
    if len(table.columns) < 3:
        return None
    for column in table.columns:
        if set(name_words(column)) & _WORDS and mostly(
            filled(table, column), lambda value: _text_of(value) is not None
        ):
            return column
    return None


def _unfold(table: Table, column: str, log: ProblemLog) -> Table:
    rows = [{**row, column: _as_text(row.get(column))} for row in table.rows]
    log.tell("form.history", column=column, count=sum(1 for row in rows if row[column]))
    if not {"instruction", "output"} <= set(table.columns):
        return replace(table, rows=rows)
    return rebuilt(table, table.columns, rows, table.lines, "output", (column, "instruction", "input"))


def _as_text(value: Any) -> Any:
    if value in (None, "", []):
        return ""
    text = _text_of(value)
    return value if text is None else text


def _text_of(value: Any) -> str | None:
    """User: ... / Assistant: ...; None when it is no list of earlier turns."""
    if isinstance(value, str):
        value = load_list(value)
    if not isinstance(value, list) or not value:
        return None
    turns = parse_turns(value)
    if turns:
        return "\n".join(f"{_NAMES.get(turn.role, turn.role.capitalize())}: {turn.text}" for turn in turns)
    if all(isinstance(p, list | tuple) and len(p) == 2 and all(isinstance(t, str) for t in p) for p in value):
        return "\n".join(f"User: {question}\nAssistant: {answer}" for question, answer in value)
    return None


FORM = Form("history", _find, _unfold)

"""Intents with their examples ({"tag": "greeting", "patterns": ["hi", "hello"]}): every example is a row."""

from __future__ import annotations

from typing import Any

from core.tasks.reading.column_words import name_words
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.table import ProblemLog, Row, Table

_EXAMPLES = frozenset(
    ("patterns", "examples", "utterances", "queries", "phrases", "samples", "texts", "sentences", "questions")
)
_NAMES = frozenset(["tag", "intent", "label", "name", "category", "class", "topic"])


def _find(table: Table) -> tuple[str, str] | None:
    lists = [
        c for c in table.columns if set(name_words(c)) & _EXAMPLES and mostly(filled(table, c), _is_texts, 1.0)
    ]
    names = [c for c in table.columns if set(name_words(c)) & _NAMES and _names_rows(filled(table, c))]
    if not lists or not names:
        return None
    several = sum(1 for value in filled(table, lists[0]) if len(value) > 1)
    return (lists[0], names[0]) if several * 2 > len(filled(table, lists[0])) else None


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _names_rows(values: list[Any]) -> bool:
    """A different short name in every row."""
    texts = [value for value in values if isinstance(value, str) and len(value) <= 80]
    return len(texts) == len(values) > 1 and len(set(texts)) == len(texts)


def _unfold(table: Table, found: tuple[str, str], log: ProblemLog) -> Table:
    column, name = found
    rows: list[Row] = []
    lines: list[int] = []
    for row, line in zip(table.rows, table.lines, strict=True):
        for text in row.get(column) or ():
            rows.append({**row, column: text})
            lines.append(line)
    log.tell("form.utterances", column=column, name=name, rows=len(rows), count=len(table.rows))
    return rebuilt(table, table.columns, rows, lines, name, (column,))


FORM = Form("utterances", _find, _unfold)

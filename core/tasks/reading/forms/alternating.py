"""A dialogue as a list of texts that two people say in turn: the second one answers."""

from __future__ import annotations

from typing import Any

from core.tasks.reading.column_words import name_words
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.forms.conversation import tell_losses
from core.tasks.reading.forms.turns import COLUMNS, Losses, Turn, rows_of, used_columns
from core.tasks.reading.table import ProblemLog, Row, Table

_WORDS = frozenset(("dialog", "dialogue", "conversation", "conversations", "utterances", "turns", "chat", "对话"))


def _find(table: Table) -> str | None:
    """Only where no other column could be the answer."""
    others = [c for c in table.columns if len({str(value) for value in filled(table, c)}) > 1]
    if len(others) != 1 or not set(name_words(others[0])) & _WORDS:
        return None
    return others[0] if mostly(filled(table, others[0]), _is_talk) else None


def _is_talk(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(isinstance(text, str) for text in value)


def _unfold(table: Table, column: str, log: ProblemLog) -> Table:
    rows: list[Row] = []
    lines: list[int] = []
    losses = Losses()
    for row, line in zip(table.rows, table.lines, strict=True):
        talk = row.get(column) if _is_talk(row.get(column)) else []
        turns = [Turn(("user", "assistant")[i % 2], text) for i, text in enumerate(talk or ())]
        found = rows_of(turns, "", losses)
        if not found:
            log.add("file.no_answer_turn", "warning", line=line, raw=row)
        rows += ({**one, "conversation": str(line)} for one in found)
        lines += [line] * len(found)
    if not rows:
        return table
    log.add("form.alternating", "warning", column=column, rows=len(rows))
    tell_losses(losses, log)
    return rebuilt(table, [*used_columns(rows), "conversation"], rows, lines, "assistant", COLUMNS[:-1])


FORM = Form("alternating", _find, _unfold)

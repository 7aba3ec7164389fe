"""Conversations: OpenAI messages, ShareGPT, Gemini contents, lists of {"human", "assistant"}; as a list or a text.

Every assistant's turn becomes a row (system, history, user, assistant); `conversation` numbers the conversation, so
that a split by group keeps its turns together.
"""

from __future__ import annotations

from core.base.errors import TaskFileError
from core.tasks.cell_text import input_text
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.forms.turns import COLUMNS, Losses, parse_turns, rows_of, used_columns
from core.tasks.reading.table import ProblemLog, Row, Table

_NOT_KEPT = (*COLUMNS, "conversation")


def _find(table: Table) -> str | None:
    for column in table.columns:
        values = filled(table, column)
        if mostly(values, lambda value: bool(parse_turns(value))):
            return column
    return None


def _has_answers(values: list[object]) -> bool:
    return any({"user", "assistant"} <= {turn.role for turn in parse_turns(value)} for value in values)


def _unfold(table: Table, column: str, log: ProblemLog) -> Table:
    """Raises:
    TaskFileError: nobody answers in any of the conversations.
    """
    if not _has_answers(filled(table, column)):
        raise TaskFileError("form.nobody_answers", file=table.name, column=column)
    others = [c for c in table.columns if c != column and c not in _NOT_KEPT]
    rows: list[Row] = []
    lines: list[int] = []
    losses = Losses()
    for row, line in zip(table.rows, table.lines, strict=True):
        turns, before = parse_turns(row.get(column), losses), losses.unanswered
        found = rows_of(turns, input_text(row.get("system")) if "system" in table.columns else "", losses)
        if not found:
            losses.unanswered = before
            if row.get(column) in (None, "", []):
                log.add("form.empty_cell", "warning", line=line, column=column, raw=row)
            else:
                log.add("file.no_answer_turn", "warning", line=line, raw=row)
        for one in found:
            rows.append({**one, **{c: row.get(c) for c in others}, "conversation": str(line)})
            lines.append(line)
    if not rows:
        return table
    log.tell("form.conversation", column=column, count=len({r["conversation"] for r in rows}), rows=len(rows))
    tell_losses(losses, log)
    return rebuilt(table, [*used_columns(rows), *others, "conversation"], rows, lines, "assistant", COLUMNS[:-1])


def tell_losses(losses: Losses, log: ProblemLog) -> None:
    """What of the conversations is no answer to practise on."""
    if losses.other_roles:
        roles = ", ".join(f"{role} ({count})" for role, count in losses.other_roles.most_common())
        log.tell("form.other_roles", roles=roles)
    if losses.no_text:
        log.add("form.no_text_parts", "warning", count=losses.no_text)
    if losses.unasked:
        log.tell("form.unasked", count=losses.unasked)
    if losses.unanswered:
        log.tell("form.unanswered", count=losses.unanswered)


FORM = Form("conversation", _find, _unfold)

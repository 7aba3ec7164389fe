"""Prompt and completion where either is a list of messages: one row each, earlier turns as history."""

from __future__ import annotations

from core.tasks.cell_text import input_text
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.forms.conversation import tell_losses
from core.tasks.reading.forms.turns import COLUMNS, Losses, Turn, parse_turns, rows_of, used_columns
from core.tasks.reading.table import ProblemLog, Row, Table

_PAIRS = (("prompt", "completion"), ("prompt", "response"), ("messages", "completion"), ("input", "output"))


def _find(table: Table) -> tuple[str, str] | None:
    for prompt, completion in _PAIRS:
        if prompt in table.columns and completion in table.columns:
            sides = (filled(table, prompt), filled(table, completion))
            together = sum(1 for row in table.rows[:200] if row.get(prompt) and row.get(completion))
            if 2 * together < min(200, len(table.rows)):
                continue
            if any(mostly(side, lambda value: bool(parse_turns(value))) for side in sides):
                return prompt, completion
    return None


def _unfold(table: Table, pair: tuple[str, str], log: ProblemLog) -> Table:
    others = [c for c in table.columns if c not in pair and c not in COLUMNS]
    rows: list[Row] = []
    lines: list[int] = []
    losses = Losses()
    for row, line in zip(table.rows, table.lines, strict=True):
        sides = []
        for column, role in zip(pair, ("user", "assistant"), strict=True):
            text = input_text(row.get(column))
            sides += parse_turns(row.get(column), losses) or ([Turn(role, text)] if text.strip() else [])
        found = rows_of(sides, input_text(row.get("system")), losses)
        if not found:
            log.add("file.no_answer_turn", "warning", line=line, raw=row)
            continue
        rows.append({**found[-1], **{c: row.get(c) for c in others}})
        lines.append(line)
    if not rows:
        return table
    log.tell("form.prompt_completion", prompt=pair[0], completion=pair[1], rows=len(rows))
    tell_losses(losses, log)
    return rebuilt(table, [*used_columns(rows), *others], rows, lines, "assistant", COLUMNS[:-1])


FORM = Form("prompt_completion", _find, _unfold)

"""Preference pairs: a chosen and a rejected answer to the same prompt. The chosen one is the answer to practise."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.tasks.cell_text import input_text
from core.tasks.reading.forms.base import Form, rebuilt
from core.tasks.reading.forms.conversation import tell_losses
from core.tasks.reading.forms.marked_text import marked_turns
from core.tasks.reading.forms.turns import COLUMNS, Losses, Turn, parse_turns, rows_of, used_columns
from core.tasks.reading.table import ProblemLog, Row, Table

_PAIRS = (
    ("chosen", "rejected"),
    ("preferred_output", "non_preferred_output"),
    ("response_j", "response_k"),
    ("chosen_response", "rejected_response"),
    ("preferred", "rejected"),
)
_PROMPTS = ("prompt", "input.messages", "input", "question", "instruction", "query", "messages", "conversations")


class _Pair(NamedTuple):
    chosen: str
    rejected: str
    prompt: str | None


def _find(table: Table) -> _Pair | None:
    names = {column.lower(): column for column in table.columns}
    for chosen, rejected in _PAIRS:
        if chosen in names and rejected in names:
            prompt = next((names[name] for name in _PROMPTS if name in names), None)
            return _Pair(names[chosen], names[rejected], prompt)
    return None


def _unfold(table: Table, pair: _Pair, log: ProblemLog) -> Table:
    used = {pair.chosen, pair.rejected, pair.prompt}
    others = [c for c in table.columns if c not in used and c not in COLUMNS]
    rows: list[Row] = []
    lines: list[int] = []
    losses = Losses()
    for row, line in zip(table.rows, table.lines, strict=True):
        found = _row(row, pair, losses)
        if found is None:
            log.add("file.no_answer_turn", "warning", line=line, raw=row)
            continue
        rows.append({**found, **{c: row.get(c) for c in others}})
        lines.append(line)
    if not rows:
        return table
    log.tell("form.preference", chosen=pair.chosen, rejected=pair.rejected, rows=len(rows))
    losses.unanswered = 0
    tell_losses(losses, log)
    return rebuilt(table, [*used_columns(rows), *others], rows, lines, "assistant", COLUMNS[:-1])


def _row(row: Row, pair: _Pair, losses: Losses) -> Row | None:
    """The last answer of the chosen side, with all that stands before it; None without a question or an answer."""
    turns = _side(row.get(pair.chosen), losses)
    prompt = row.get(pair.prompt) if pair.prompt else None
    if prompt and not any(turn.role == "user" for turn in turns):
        turns = [
            *(parse_turns(prompt, losses) or marked_turns(prompt) or [Turn("user", input_text(prompt))]),
            *turns,
        ]
    found = rows_of(turns, input_text(row.get("system")), losses)
    return found[-1] if found else None


def _side(value: Any, losses: Losses) -> list[Turn]:
    turns = parse_turns(value, losses) or marked_turns(value)
    text = input_text(value)
    return turns or ([Turn("assistant", text)] if text.strip() else [])


FORM = Form("preference", _find, _unfold)

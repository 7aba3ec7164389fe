"""Conversation files as tables: OpenAI messages ({"role", "content"}) and ShareGPT ({"from", "value"}) lists.

Every assistant turn becomes a row: system, history (earlier turns), user, assistant; `conversation` numbers the
conversation, so that a split by group keeps its turns together. Alpaca files have their columns already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.tasks.cell_text import input_text
from core.tasks.reading.table import ProblemLog, Row, Table

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
}
_COLUMNS = ("system", "history", "user", "assistant")
_TITLES = {"user": "User", "assistant": "Assistant"}
_LOOKED_AT = 50

Turn = tuple[str, str]


def unfold_conversations(table: Table) -> Table:
    """The table itself, or its conversations as rows when a column holds them."""
    column = _conversation_column(table)
    if column is None:
        return table
    log = ProblemLog(table.name, list(table.problems))
    others = [c for c in table.columns if c != column and c not in (*_COLUMNS, "conversation")]
    rows: list[Row] = []
    lines: list[int] = []
    for row, line in zip(table.rows, table.lines, strict=True):
        turns = _turns(row.get(column))
        found = _rows_of(turns, input_text(row.get("system")) if "system" in table.columns else "")
        if not found:
            log.add("file.no_answer_turn", "warning", line=line, raw=row)
        for one in found:
            rows.append({**one, **{c: row.get(c) for c in others}, "conversation": str(line)})
            lines.append(line)
    if not rows:
        return table
    used = [c for c in _COLUMNS if c in ("user", "assistant") or any(r[c] for r in rows)]
    columns = (*used, *others, "conversation")
    return replace(
        table, columns=columns, rows=[{c: r[c] for c in columns} for r in rows], lines=lines, problems=log.finish()
    )


def _conversation_column(table: Table) -> str | None:
    for column in table.columns:
        values = [row.get(column) for row in table.rows[:_LOOKED_AT]]
        filled = [v for v in values if v]
        if filled and all(isinstance(v, list) and _turns(v) for v in filled):
            return column
    return None


def _turns(value: Any) -> list[Turn]:
    """(role, text) of a list of turns; [] when it is something else."""
    if not isinstance(value, list):
        return []
    turns = []
    for item in value:
        if not isinstance(item, dict):
            return []
        role = item.get("role", item.get("from"))
        text = item.get("content", item.get("value"))
        if not isinstance(role, str) or role.lower() not in _ROLES:
            return []
        turns.append((_ROLES[role.lower()], _content(text)))
    return turns


def _content(value: Any) -> str:
    """Content parts ({"type": "text", "text": ...}) are joined; other parts are left aside."""
    if isinstance(value, list):
        return "\n".join(str(p.get("text", "")) for p in value if isinstance(p, dict) and p.get("type") == "text")
    return input_text(value)


def _rows_of(turns: list[Turn], system: str) -> list[Row]:
    history: list[str] = []
    found: list[Row] = []
    asked = ""
    for role, text in turns:
        if role == "system":
            system = f"{system}\n{text}".strip()
        elif role == "user":
            asked = f"{asked}\n{text}".strip()
        else:
            if asked:
                found.append({"system": system, "history": "\n".join(history), "user": asked, "assistant": text})
                history.append(f"{_TITLES['user']}: {asked}")
            history.append(f"{_TITLES['assistant']}: {text}")
            asked = ""
    return found

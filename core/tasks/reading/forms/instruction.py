"""Instruction data by the names of its columns (Alpaca, Dolly, prompt and completion)."""

from __future__ import annotations

from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.table import ProblemLog, Table

_PAIRS = (
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "completion"),
    ("prompt", "response"),
    ("query", "response"),
    ("question", "response"),
)
_MORE = ("system", "system_prompt", "history", "context", "input")


def _find(table: Table) -> tuple[str, str, tuple[str, ...]] | None:
    if table.targets:
        return None
    names = {column.lower(): column for column in table.columns}
    for question, answer in _PAIRS:
        if question in names and answer in names:
            asked, answered = names[question], names[answer]
            values = filled(table, answered)
            if len({str(v) for v in values}) > 1 and mostly(values, lambda value: isinstance(value, str)):
                more = tuple(names[n] for n in _MORE if n in names and names[n] not in (asked, answered))
                return asked, answered, more
    return None


def _unfold(table: Table, found: tuple[str, str, tuple[str, ...]], log: ProblemLog) -> Table:
    asked, answered, more = found
    log.tell("form.instruction", column=answered, inputs=", ".join((*more, asked)))
    after = tuple(c for c in more if c.lower() == "input")
    before = tuple(c for c in more if c not in after)
    return rebuilt(table, table.columns, table.rows, list(table.lines), answered, (*before, asked, *after))


FORM = Form("instruction", _find, _unfold)

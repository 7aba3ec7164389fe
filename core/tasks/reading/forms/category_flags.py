"""Categories as an object of flags, {"cats": {"urgent": 1, "noise": 0}} (spaCy): the names that are set."""

from __future__ import annotations

from typing import Any

from core.tasks.reading.forms.base import Form, rebuilt
from core.tasks.reading.table import ProblemLog, Row, Table

_SET, _UNSET = ("1", "1.0", "true"), ("0", "0.0", "false", "", "none")


def _find(table: Table) -> tuple[str, tuple[str, ...]] | None:
    groups: dict[str, list[str]] = {}
    for column in table.columns:
        if "." in column:
            groups.setdefault(column.partition(".")[0], []).append(column)
    for prefix, columns in groups.items():
        if len(columns) > 1 and prefix not in table.columns and all(_are_flags(table, c) for c in columns):
            return prefix, tuple(columns)
    return None


def _word(value: Any) -> str:
    return str(value).strip().lower()


def _are_flags(table: Table, column: str) -> bool:
    values = {_word(row.get(column)) for row in table.rows[:2000]}
    return values <= {*_SET, *_UNSET} and bool(values & {*_SET})


def _unfold(table: Table, found: tuple[str, tuple[str, ...]], log: ProblemLog) -> Table:
    prefix, flags = found
    names = {column: column.partition(".")[2] for column in flags}
    labels = [[names[c] for c in flags if _word(row.get(c)) in _SET] for row in table.rows]
    single = all(len(found) == 1 for found in labels)
    others = [c for c in table.columns if c not in flags]
    rows: list[Row] = [
        {**{c: row.get(c) for c in others}, prefix: found[0] if single else found}
        for row, found in zip(table.rows, labels, strict=True)
    ]
    log.tell("form.category_flags", column=prefix, names=", ".join(names.values()), rows=len(rows))
    return rebuilt(table, [*others, prefix], rows, list(table.lines))


FORM = Form("category_flags", _find, _unfold)

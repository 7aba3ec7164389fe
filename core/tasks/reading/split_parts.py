"""Parts of one data set in one file, such as {"train": [...], "test": [...]} or sheets of those names: one table
with a column that says the split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.base.errors import TaskFileError
from core.tasks.reading.limits import MAX_ROWS
from core.tasks.reading.table import ProblemLog, Row, Table

COLUMN = "split"


def join_parts(parts: Iterable[tuple[str, Table]], log: ProblemLog, column: str = COLUMN) -> Table:
    """All rows under one header, the name of each row's part in a column of its own; lines are those of the
    parts, or go on where the part before ended.

    Args:
        parts: the name (train, test, ...) and the table of each, all with the problems of the same `log`.
        column: what to call the new column; a name that is taken gets a mark.

    Raises:
        TaskFileError: together more rows than a table may have.
    """
    tables = list(parts)
    columns = tuple(dict.fromkeys(name for _, table in tables for name in table.columns))
    while column in columns:
        column += "_"
    rows: list[Row] = []
    lines: list[int] = []
    for name, table in tables:
        rows += ({**{c: row.get(c) for c in columns}, column: name} for row in table.rows)
        before = lines[-1] if lines and table.lines[0] <= lines[-1] else 0  # each sheet begins at row 1 again
        lines += (before + line for line in table.lines)
    if len(rows) > MAX_ROWS:
        raise TaskFileError("file.many_rows", file=log.file, rows=len(rows), bound=MAX_ROWS)
    sizes = ", ".join(f"{name}: {len(table.rows)}" for name, table in tables)
    log.tell("file.split_parts", column=column, parts=sizes)
    first = tables[0][1]
    return replace(
        first,
        columns=(*columns, column),
        rows=rows,
        lines=lines,
        problems=log.problems,
        truncated=any(table.truncated for _, table in tables),
        split_column=column,
    )

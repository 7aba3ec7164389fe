"""Parts of one data set in one file, such as {"train": [...], "test": [...]} or sheets of those names: one table
with a column that says the split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.base.errors import TaskFileError
from core.tasks.reading.limits import MAX_ROWS
from core.tasks.reading.table import ProblemLog, Row, Table

COLUMN = "split"


def join_parts(tables: Mapping[str, Table], log: ProblemLog) -> Table:
    """All rows under one header, the split in a column of its own; lines are those of each part.

    Args:
        tables: by the name of the part (train, test, ...), all with the problems of the same `log`.

    Raises:
        TaskFileError: together more rows than a table may have.
    """
    columns = tuple(dict.fromkeys(column for table in tables.values() for column in table.columns))
    split = COLUMN
    while split in columns:
        split += "_"
    rows: list[Row] = []
    lines: list[int] = []
    for name, table in tables.items():
        rows += ({**{column: row.get(column) for column in columns}, split: name} for row in table.rows)
        lines += table.lines
    if len(rows) > MAX_ROWS:
        raise TaskFileError("file.many_rows", file=log.file, rows=len(rows), bound=MAX_ROWS)
    log.tell("file.split_parts", parts=", ".join(f"{name}: {len(table.rows)}" for name, table in tables.items()))
    first = next(iter(tables.values()))
    return replace(
        first,
        columns=(*columns, split),
        rows=rows,
        lines=lines,
        problems=log.problems,
        truncated=any(table.truncated for table in tables.values()),
        split_column=split,
    )

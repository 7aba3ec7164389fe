"""What a sheet may be besides one plain table: turned on its side, followed by a second table, filled only where a
block begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.reading.header import header_score, looks_like_header
from core.tasks.reading.readings import Doubt, Reading, ReadOptions, shown_rows
from core.tasks.reading.table import ProblemLog, Row, Table

_FEW_ROWS = 6
_MANY_COLUMNS = 12
_LOOKED_AT = 200
Numbered = tuple[int, list[Any]]  # row number, cells as text


def require_upright(first: Sequence[Sequence[Any]], has_header: bool, log: ProblemLog) -> None:
    """Refuses a table whose names stand below each other in the first column.

    Raises:
        TaskFileError: rows and columns are swapped.
    """
    width = max((len(row) for row in first), default=0)
    if has_header or not 2 <= len(first) <= _FEW_ROWS or width < _MANY_COLUMNS:
        return
    turned = [[row[i] if i < len(row) else None for row in first] for i in range(width)]
    if looks_like_header(turned):
        raise TaskFileError("file.transposed", file=log.file, columns=", ".join(str(row[0]) for row in first))


def find_second_table(body: Sequence[Numbered]) -> int | None:
    """Where, after blank rows, another header begins: the index of its row; None for one table."""
    seen: set[str] = set()
    for index, (number, cells) in enumerate(body):
        words = [str(cell).strip() for cell in cells if cell is not None]
        # One row above a gap is no table of its own.
        after_gap = index >= 2 and number > body[index - 1][0] + 1
        # A header says new words; a row after a gap that repeats known ones goes on with the same table.
        if after_gap and len(words) >= 2 and not seen & set(words) and len(body) - index >= 3:
            rest = [row for _, row in body[index : index + _LOOKED_AT]]
            if header_score(rest) > 2.0 and all(len(word) <= 40 for word in words):
                return index
        if len(seen) < 100_000:  # memory: a sheet of texts has as many words as cells
            seen.update(words)
    return None


def fill_down(rows: list[Row], columns: Sequence[str], log: ProblemLog) -> None:
    """Every empty cell of a column that is filled only where a block begins gets the value above it."""
    for column in columns:
        value, count = None, 0
        for row in rows:
            if row[column] is None:
                row[column] = value
                count += value is not None
            else:
                value = row[column]
        log.tell("file.filled_down", column=column, count=count)


def block_columns(table: Table) -> tuple[str, ...]:
    """Columns with a word where a block of rows begins and nothing below it, beside columns that are full."""
    rows = table.rows
    counts = {c: sum(1 for row in rows if row[c] is not None) for c in table.columns}
    if len(rows) < 6 or not any(count == len(rows) for count in counts.values()):
        return ()
    return tuple(c for c in table.columns if rows[0][c] is not None and _is_block(rows, c, counts[c]))


def _is_block(rows: Sequence[Row], column: str, filled: int) -> bool:
    """Filled in 3 to 60 of 100 rows, each time with a run of empty cells below it, by short texts."""
    if not 0.03 * len(rows) <= filled <= 0.6 * len(rows) or filled < 2:
        return False
    starts = [i for i, row in enumerate(rows) if row[column] is not None]
    # A column that is merely often empty has two filled cells in a row; a block's word is followed by none.
    alone = sum(1 for i in starts if i + 1 < len(rows) and rows[i + 1][column] is None)
    return alone >= 0.8 * filled and all(len(str(rows[i][column])) <= 60 for i in starts)


def ask_to_fill(table: Table, options: ReadOptions) -> Table:
    """The question whether words that stand only where a block begins hold for the whole block."""
    columns = block_columns(table)
    if options.fill_down or not columns:
        return table
    filled = [dict(row) for row in table.rows[:_LOOKED_AT]]
    fill_down(filled, columns, ProblemLog(table.name))
    taken, other = (
        Reading(replace(options, fill_down=fill), score, table.columns, shown_rows(table.columns, rows))
        for fill, score, rows in ((False, 0.5, table.rows), (True, 0.5, filled))
    )
    values = {"file": table.name, "found": columns[0], "expected": ", ".join(columns)}
    return replace(table, doubts=(*table.doubts, Doubt("blocks", taken, other, values)))

"""What a form of data set is: how a table of it is recognised, and how it becomes rows with input and answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.tasks.reading.table import ProblemLog, Row, Table

LOOKED_AT = 50  # filled cells of a column that decide whether it is of a form
ROWS_LOOKED_AT = 2000


@dataclass(frozen=True)
class Form:
    """A registered form. `find` returns what `unfold` needs to know (a column's name, ...), or None where the table
    is of another form. `unfold` returns the new table; what it does to the rows it tells the log (`form.<name>`).

    Raises (unfold):
        TaskFileError: the form is known, but this file of it cannot be used.
    """

    name: str
    find: Callable[[Table], Any]
    unfold: Callable[[Table, Any, ProblemLog], Table]


def filled(table: Table, column: str) -> list[Any]:
    """The first filled cells of a column."""
    found = []
    for row in table.rows[:ROWS_LOOKED_AT]:
        if row.get(column) not in (None, "", [], {}):
            found.append(row[column])
            if len(found) >= LOOKED_AT:
                break
    return found


def mostly(values: Sequence[Any], test: Callable[[Any], bool], share: float = 0.8) -> bool:
    return bool(values) and sum(1 for value in values if test(value)) >= share * len(values)


def rebuilt(
    table: Table,
    columns: Sequence[str],
    rows: list[Row],
    lines: list[int],
    target: str = "",
    inputs: Sequence[str] = (),
) -> Table:
    """The table with other columns and rows; every row gets all columns. `target` and `inputs`: what the form says
    is answered and asked; an input that never changes says nothing."""
    full = [{column: row.get(column) for column in columns} for row in rows]
    kept = [
        name for name in inputs if name in columns and len({str(row[name]) for row in full[:ROWS_LOOKED_AT]}) > 1
    ]
    found = replace(table, columns=tuple(columns), rows=full, lines=lines)
    return replace(found, inputs=tuple(kept), targets=(target,)) if target and kept else found


def number(value: Any) -> int | None:
    """A whole number, as JSON readers keep it (a text) or not; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return int(found) if found.is_integer() else None

"""A first look at a file: a few rows, the guessed roles and what was noted; a large file is not read to its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.base.errors import Problem, TaskFileError
from core.tasks.cell_text import plain_value
from core.tasks.guessing.questions import open_doubts
from core.tasks.guessing.roles import RoleGuess, guess_roles
from core.tasks.reading.files import read_table
from core.tasks.reading.readings import Doubt, ReadOptions
from core.tasks.reading.table import Table
from core.tasks.reading.text_encoding import CHUNK, Source, open_bytes

PREVIEW_ROWS = 2000
SHOWN_ROWS = 5
_READ_IN_PART = ("xlsx", "json")


@dataclass(frozen=True)
class FilePreview:
    """`num_rows` is counted by line breaks when `is_exact` is False. `guess` is None when no roles fit."""

    name: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    lines: list[int]
    num_rows: int
    is_exact: bool
    guess: RoleGuess | None
    encoding: str
    format: str
    problems: list[Problem]
    sheets: tuple[str, ...] = ()
    has_header: bool = True
    doubts: tuple[Doubt, ...] = ()

    @property
    def count(self) -> str:
        """What `num_rows` is: exact, nearly (counted by line breaks), or at_least (the file was not read on)."""
        if self.is_exact or self.format == "parquet":
            return "exact"
        return "at_least" if self.format in _READ_IN_PART else "nearly"


def preview_file(path: Path | str, options: ReadOptions | None = None, name: str | None = None) -> FilePreview:
    """Columns, the first rows and the guess for a file.

    Raises:
        TaskFileError: the file cannot be read at all.
    """
    path = Path(path)
    options = options or ReadOptions()
    table = read_table(path, replace(options, max_rows=options.max_rows or PREVIEW_ROWS), name)
    problems = list(table.problems)
    guess, doubts = None, table.doubts
    try:
        guess = guess_roles(table)
        doubts = (*doubts, *open_doubts(table, guess, options))
    except TaskFileError as error:
        problems.append(Problem("columns", error.key, error.values))
    rows = [{k: plain_value(v) for k, v in row.items()} for row in table.rows[:SHOWN_ROWS]]
    return FilePreview(
        table.name,
        table.columns,
        rows,
        table.lines[:SHOWN_ROWS],
        _num_rows(path, table),
        not table.truncated,
        guess,
        table.encoding,
        table.format,
        problems,
        table.sheets,
        table.has_header,
        doubts,
    )


def _num_rows(path: Path, table: Table) -> int:
    if not table.truncated:
        return len(table.rows)
    if table.format == "parquet":
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(path).num_rows)
    if table.format in _READ_IN_PART:
        return len(table.rows)
    with open_bytes(Source(path, table.name, table.name.lower().endswith(".gz"))) as stream:
        breaks, last = 0, b"\n"
        while chunk := stream.read(CHUNK):
            breaks += chunk.count(b"\n")
            last = chunk[-1:]
    # Rows before the cut may span several lines; the rest is scaled alike.
    per_row = max(1.0, (table.lines[-1] - table.lines[0] + 1) / len(table.rows))
    return max(len(table.rows), round((breaks + (last != b"\n")) / per_row) - int(table.has_header))

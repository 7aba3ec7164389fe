"""All rows of a task as a CSV file that opens in a spreadsheet and comes back as the same rows, to the character.

Columns: split, line, those of the task, and CELLS. Spreadsheets run cells that begin with a formula sign, so those
get a quotation mark in front, which is taken off when the file is read again. CELLS holds the cells of a row that
are no plain text (lists, numbers, empty against missing) as JSON, and in one row, under SETTINGS, the roles and
wording of the task. A cell that was changed in the spreadsheet since counts as it stands there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.base.formulas import guard, unguard
from core.tasks.cell_text import input_text
from core.tasks.reading.limits import MAX_COLUMNS
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import ProblemLog, Table

SPLITS = ("train", "validation", "test")
CELLS = "taskloom"
SETTINGS = ""  # no column is called so
_HEAD = ("split", "line")
_BOM = b"\xef\xbb\xbf"

Numbered = tuple[str, int, dict[str, Any]]  # split, line, row


def write_task_csv(columns: Sequence[str], rows: Iterable[Numbered], settings: dict[str, Any]) -> bytes:
    """`settings`: plain values that `read_task_csv` gives back as `Table.settings`."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([*_HEAD, *map(guard, columns), CELLS])
    first = {SETTINGS: settings}
    for split, line, row in rows:
        texts = [guard(_shown(row.get(name))) for name in columns]
        told = first | _special(columns, row)
        writer.writerow([split, line, *texts, json.dumps(told, ensure_ascii=False) if told else ""])
        first = {}
    return _BOM + buffer.getvalue().encode("utf-8")


def _special(columns: Sequence[str], row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in columns if not isinstance(row.get(name), str)}


def _shown(value: Any) -> str:
    return input_text(value).replace("\n", "; ") if isinstance(value, list) else input_text(value)


def read_task_csv(path: Path, options: ReadOptions, log: ProblemLog) -> Table | None:
    """A file of `write_task_csv` as a table whose rows know their splits; None for any other file, and where
    somebody says by hand how a file is to be read."""
    if options.delimiter or options.encoding or options.quotes or options.header is not None:
        return None
    with open(path, "rb") as file:
        start = file.read(len(_BOM) + 16)
    mark = start[len(_BOM) + 5 : len(_BOM) + 6].decode("latin-1")
    if mark not in (",", ";", "\t") or not start.startswith(_BOM + f"split{mark}line{mark}".encode()):
        return None
    with open(path, encoding="utf-8-sig", newline="") as lines:
        try:
            return _read(csv.reader(lines, delimiter=mark, strict=True), options, log)
        except (csv.Error, UnicodeError, ValueError):
            return None  # somebody's own file with such a header: read as any other


def _read(records: Iterator[list[str]], options: ReadOptions, log: ProblemLog) -> Table:
    """Raises:
    ValueError: a record that `write_task_csv` would not have written.
    """
    head = next(records)
    has_cells = head[-1] == CELLS
    columns = tuple(unguard(name) for name in (head[2:-1] if has_cells else head[2:]))
    if not columns or len(set(columns)) < len(columns) or len(columns) > MAX_COLUMNS:
        raise ValueError("columns")
    read = _Rows(columns, len(head), has_cells)
    truncated = False
    for record in filter(any, records):
        if len(read.rows) >= options.row_cap:
            truncated = True
            break
        read.add(record)
    if not read.rows:
        raise ValueError("rows")
    log.tell("file.own_export", rows=len(read.rows))
    return Table(
        log.file,
        "csv",
        "utf-8-sig",
        columns,
        read.rows,
        read.lines,
        log.finish(),
        truncated=truncated,
        splits=tuple(read.splits),
        settings=read.settings,
    )


@dataclass
class _Rows:
    columns: tuple[str, ...]
    width: int
    has_cells: bool
    rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def add(self, record: list[str]) -> None:
        split, line, *cells = record
        if len(record) != self.width or split not in SPLITS:
            raise ValueError("record")
        self.splits.append(split)
        self.lines.append(int(line))
        told = _told(cells.pop()) if self.has_cells else {}
        self.settings = told.pop(SETTINGS, None) or self.settings
        row: dict[str, Any] = dict(zip(self.columns, map(unguard, cells), strict=True))
        # Of cells that are no text, those stand whose shown form nobody has changed.
        stored = {name: value for name, value in told.items() if name in row and row[name] == _shown(value)}
        self.rows.append(row | stored)


def _told(text: str) -> dict[str, Any]:
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        raise ValueError("cells")
    return found

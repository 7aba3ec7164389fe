"""Values of a JSON file as rows of a table: objects flattened, lists of cells under names, mixed shapes joined."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.reading.header import looks_like_header
from core.tasks.reading.json_text import Item
from core.tasks.reading.limits import MAX_COLUMNS, MAX_JSON_DEPTH
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import ProblemLog, Row, Table, check_cells, clean_columns, require_rows

_SURROGATE = re.compile("[\ud800-\udfff]")
_HEADER_RECORDS = 300


@dataclass
class JsonRows:
    """Collects the rows of one file (or of one part of it)."""

    log: ProblemLog
    options: ReadOptions
    rows: list[Row] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    order: dict[str, None] = field(default_factory=dict)

    def table(self, items: Iterable[Item], encoding: str) -> Table:
        """The table of all items.

        Raises:
            TaskFileError: too many columns, or no usable row.
        """
        truncated = self._collect(items)
        require_rows(self.rows, self.log, False)
        self._join_mixed()
        names = list(self.order)
        columns = clean_columns(names, self.log)
        same = list(columns) == names
        rows = [
            row
            if same and list(row) == names  # most rows of most files: a million need no copies
            else {column: row.get(key) for key, column in zip(names, columns, strict=True)}
            for row in self.rows
        ]
        return Table(
            self.log.file, "json", encoding, columns, rows, self.lines, self.log.problems, truncated=truncated
        )

    def _collect(self, items: Iterable[Item]) -> bool:
        """Whether rows were left at the cap."""
        cells: list[tuple[int, list[Any]]] = []
        for line, item in items:
            if len(self.rows) + len(cells) >= self.options.row_cap:
                self._add_cells(cells)
                return True
            if _is_record(item):
                cells.append((line, item))
            else:
                self._add(line, _named(item))
        self._add_cells(cells)
        return False

    def _add(self, line: int, item: Any) -> None:
        if not isinstance(item, dict):
            found = _json_type(item)
            self.log.add("file.not_an_object", line=line, found=found, raw="null" if item is None else item)
            return
        row = flatten_row(item)
        if row is None:
            self.log.add("file.deep_json", line=line, bound=MAX_JSON_DEPTH, raw=item)
            return
        if not row or not check_cells(row.values(), line, self.log):
            return
        if not row.keys() <= self.order.keys():
            self.order.update(dict.fromkeys(row))
        if len(self.order) > MAX_COLUMNS:
            raise TaskFileError("file.many_columns", file=self.log.file, columns=len(self.order), bound=MAX_COLUMNS)
        self.rows.append(row)
        self.lines.append(line)

    def _add_cells(self, records: list[tuple[int, list[Any]]]) -> None:
        """Rows that are lists of cells: the first may name the columns; one of another width is left out."""
        if not records:
            return
        width = max(len(cells) for _, cells in records[:_HEADER_RECORDS])
        header = self.options.header
        if header is None:
            header = looks_like_header([cells for _, cells in records[:_HEADER_RECORDS]])
        names = [str(name) for name in records[0][1]] if header else [f"column_{i + 1}" for i in range(width)]
        names += [f"column_{i + 1}" for i in range(len(names), width)]
        for line, cells in records[1:] if header else records:
            if len(cells) > len(names):
                self.log.add("file.ragged", line=line, found=len(cells), expected=len(names), raw=cells)
                continue
            self._add(line, dict(zip(names, cells, strict=False)))

    def _join_mixed(self) -> None:
        """A column that is an object with one value in some rows and the bare value in others: text.body, text."""
        for name in [n for n in self.order if "." not in n]:
            inner = [n for n in self.order if n.startswith(f"{name}.")]
            if len(inner) != 1 or any(inner[0] in row and row.get(name) is not None for row in self.rows):
                continue
            count = 0
            for row in self.rows:
                if inner[0] in row:
                    row[name] = row.pop(inner[0])
                    count += 1
            del self.order[inner[0]]
            self.log.tell("file.mixed_shapes", column=name, inner=inner[0], count=count)


def _is_record(item: Any) -> bool:
    """A row that is a list of cells: ["text", "label"]; a list of objects is one nested value."""
    return isinstance(item, list) and len(item) > 1 and not all(isinstance(cell, dict) for cell in item)


def _named(item: Any) -> Any:
    """A list of objects (turns of a conversation, for example) as a row with one column."""
    if isinstance(item, list) and item and all(isinstance(cell, dict) for cell in item):
        return {"items": item}
    return item


def flatten_row(item: dict[str, Any]) -> Row | None:
    """Nested objects as a.b columns; None when they nest deeper than the cap."""
    row: Row = {}
    return row if _flatten(item, "", row, 0) else None


def _flatten(item: dict[str, Any], prefix: str, row: Row, depth: int) -> bool:
    if depth > MAX_JSON_DEPTH:
        return False
    for key, value in item.items():
        name = f"{prefix}{key}" if prefix else key
        # Most cells, and never a surrogate: the rest of the checks is spared a million times.
        if isinstance(value, str) and value.isascii():
            row[name] = value
        elif isinstance(value, dict) and value:
            if not _flatten(value, f"{name}.", row, depth + 1):
                return False
        else:
            row[name] = _without_surrogates(value)
    return True


def _without_surrogates(value: Any) -> Any:
    """Half a surrogate pair (an escape such as \\ud800) cannot be written to any file again."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(v) for v in value]
    return value


def _json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "true, false or null"
    return {"str": "text", "list": "a list"}.get(type(value).__name__, "a number")

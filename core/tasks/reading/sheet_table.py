"""The cells of a sheet as a table: merged ranges filled, header rows joined, and everything done to it told."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.reading.limits import MAX_COLUMNS
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.sheet_cells import Dated, Merge, Record, SheetCells, SheetNotes, Shown
from core.tasks.reading.sheet_checks import (
    ask_to_fill,
    block_columns,
    fill_down,
    find_second_table,
    require_upright,
)
from core.tasks.reading.table import ProblemLog, Row, Table, check_cells, clean_columns, require_rows
from core.tasks.reading.table_head import HEADER_RECORDS, find_header, tell_head

_LISTED = 5  # rows and columns that a note names


@dataclass(frozen=True)
class Grid:
    """A sheet in memory, all rows equally wide."""

    records: list[Record]
    width: int
    num_merged: int
    truncated: bool


def read_grid(cells: SheetCells, options: ReadOptions, log: ProblemLog) -> Grid:
    """All rows of a sheet up to the cap, merged ranges filled.

    Raises:
        TaskFileError: more columns than a table may have.
    """
    cap = options.row_cap + HEADER_RECORDS
    records = list(itertools.islice(cells.rows(MAX_COLUMNS), cap + 1))
    width = max((len(row) for _, row in records), default=0)
    if width > MAX_COLUMNS:
        raise TaskFileError("file.many_columns", file=log.file, columns=width, bound=MAX_COLUMNS)
    for _, row in records:
        row += [None] * (width - len(row))
    filled = _fill_merged(records, cells.merges(), width) if records else []
    if filled:
        some = ", ".join(_range_name(m) for m in filled[:_LISTED])
        log.tell("file.merged_cells", count=len(filled), ranges=some)
    return Grid(records[:cap], width, len(filled), len(records) > cap)


def _fill_merged(records: list[Record], merges: Sequence[Merge], width: int) -> list[Merge]:
    """Every cell of a merged range gets its first one's value; a title over the whole width stays where it is."""
    by_row = dict(records)
    numbers = [number for number, _ in records]
    filled = []
    margin = min((i for _, row in records for i, cell in enumerate(row) if cell is not None), default=0)
    for merge in sorted(merges, key=lambda m: (m.first_row, m.first_column)):
        first = by_row.get(merge.first_row)
        left, right = merge.first_column - 1, min(merge.last_column, width)
        if first is None or left >= width or first[left] is None:
            continue
        if merge.first_row == merge.last_row and left <= margin and right == width:
            continue
        covered = range(merge.first_row, merge.last_row + 1)
        rows = covered if len(covered) <= len(numbers) else [n for n in numbers if n in covered]
        for row in (by_row[n] for n in rows if n in by_row):
            row[left:right] = [first[left]] * (right - left)
        filled.append(merge)
    return filled


def build_table(grid: Grid, cells: SheetCells, options: ReadOptions, log: ProblemLog) -> Table:
    """The table of a sheet: titles, header, rows.

    Raises:
        TaskFileError: no rows, or a column of formulas that were never calculated.
    """
    first = _plain(grid.records[:HEADER_RECORDS])
    header = find_header([row for _, row in first], options.header)
    tell_head(first, header, log)
    names = [name or "" for name in header.names]
    has_header = header.height > 0
    require_upright([row for _, row in first], has_header, log)
    body = _without_header(grid.records[header.titles + header.height :], names, log)
    second = find_second_table(_plain(body))
    if second is not None:
        words = ", ".join(_word(cell) or "" for cell in body[second][1] if cell is not None)
        log.add("file.second_table", "warning", line=body[second][0], columns=words, count=len(body) - second)
        body = body[:second]
    used = [i for i in range(grid.width) if _is_used(i, names, body)]
    columns = _name_columns([names[i] for i in used] if has_header else None, len(used), options, log)
    _require_results(cells.notes, {i + 1: name for i, name in zip(used, columns, strict=True)}, body, log)
    rows, lines = _collect(body, used, columns, options.row_cap, log)
    require_rows(rows, log, has_header)
    places = {i + 1: name for i, name in zip(used, columns, strict=True)}
    _tell_cells(cells.notes, places, dict(zip(lines, rows, strict=True)), log)
    _finish_columns(rows, columns, log)
    truncated = grid.truncated or len(body) > options.row_cap
    table = Table(log.file, "xlsx", "utf-8", columns, rows, lines, log.problems, (), has_header, truncated)
    if options.fill_down:
        fill_down(rows, block_columns(table), log)
    log.finish()
    return ask_to_fill(table, options)


def _without_header(records: Sequence[Record], names: Sequence[str], log: ProblemLog) -> list[Record]:
    """The rows without those that repeat the header, as in sheets that were put together."""
    kept = []
    for number, row in records:
        # The first cell first: it tells most rows from the header at the price of one look.
        if names and row[0] is not None and [_word(cell) or "" for cell in row] == names:
            log.add("reading.repeated_header", "warning", line=number, raw=names)
        else:
            kept.append((number, row))
    return kept


def _plain(records: Sequence[Record]) -> list[Record]:
    """The records as text, for those who look at headers."""
    return [(number, [_word(cell) for cell in row]) for number, row in records]


def _word(cell: Any) -> str | None:
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    return str(cell.text) if isinstance(cell, Shown | Dated) else str(cell)


def _is_used(index: int, names: Sequence[Any], body: Sequence[Record]) -> bool:
    """A column without a name and without a value is the margin of the sheet."""
    return bool(index < len(names) and names[index]) or any(row[index] is not None for _, row in body)


def _name_columns(
    names: Sequence[Any] | None, width: int, options: ReadOptions, log: ProblemLog
) -> tuple[str, ...]:
    if names is not None:
        return clean_columns(names, log)
    if len(options.column_names) == width:
        return clean_columns(options.column_names, log)
    return clean_columns([f"column_{i + 1}" for i in range(width)], log)


def _collect(
    body: Sequence[Record], used: Sequence[int], columns: tuple[str, ...], cap: int, log: ProblemLog
) -> tuple[list[Row], list[int]]:
    rows: list[Row] = []
    lines: list[int] = []
    for line, cells in body:
        values = [cells[i] for i in used]
        if all(v is None for v in values) or not check_cells(values, line, log):
            continue
        if len(rows) >= cap:
            break
        rows.append(dict(zip(columns, values, strict=True)))
        lines.append(line)
    return rows, lines


def _require_results(notes: SheetNotes, columns: dict[int, str], body: Sequence[Record], log: ProblemLog) -> None:
    """Refuses a column in which only formulas stand that no program has calculated yet."""
    empty = [
        name
        for place, name in columns.items()
        if place in notes.unresolved and not any(row[place - 1] is not None for _, row in body)
    ]
    if empty:
        place = next(p for p, name in columns.items() if name == empty[0])
        raise TaskFileError(
            "file.formulas_only", file=log.file, columns=", ".join(empty), line=notes.unresolved[place][0]
        )


def _tell_cells(notes: SheetNotes, columns: dict[int, str], lines: dict[int, Row], log: ProblemLog) -> None:
    """What the cells were beside their values: errors, formulas, hidden rows and columns. `lines`: rows by line."""
    for row, place, value in notes.errors:
        if row in lines:
            raw = [_word(cell) for cell in lines[row].values()]
            log.add("file.excel_error", "warning", line=row, column=place, value=value, raw=raw)
    for place, found in notes.unresolved.items():
        rows = [row for row in found if row in lines]
        if rows and place in columns:
            log.add("file.formulas", "warning", column=columns[place], count=len(rows), lines=_some(rows))
    for place, found in notes.unshown.items():
        rows = [row for row in found if row in lines]
        if rows and place in columns:
            log.tell("file.unshown_numbers", column=columns[place], count=len(rows), lines=_some(rows))
    hidden_rows = [row for row in notes.hidden_rows if row in lines]
    if hidden_rows:
        log.add("file.hidden_rows", "warning", count=len(hidden_rows), lines=_some(hidden_rows))
    hidden = [name for place, name in columns.items() if place in notes.hidden_columns]
    if hidden:
        log.add("file.hidden_columns", "warning", columns=", ".join(hidden))


def _finish_columns(rows: list[Row], columns: Iterable[str], log: ProblemLog) -> None:
    """Cells become texts, column by column; numbers and dates that look different are told once a column."""
    for column in columns:
        kinds = {type(row[column]) for row in rows} - {str, type(None)}
        if Shown in kinds:
            _tell_shown(column, [row[column] for row in rows if isinstance(row[column], Shown)], log)
        if bool in kinds:
            _join_booleans(column, rows, log)
        dates = [row[column] for row in rows if isinstance(row[column], Dated)] if Dated in kinds else []
        if any(cell.is_system for cell in dates):
            log.tell("file.system_dates", column=column, example=dates[0].text)
        # Midnight in every row is how a program stores a day, not a time that somebody noted.
        no_clock = bool(dates) and all(cell.day for cell in dates)
        if no_clock:
            log.tell("file.no_clock", column=column, example=dates[0].day)
        for row in rows if kinds else ():
            cell = row[column]
            row[column] = cell.day if no_clock and isinstance(cell, Dated) else _word(cell)


def _tell_shown(column: str, cells: Sequence[Shown], log: ProblemLog) -> None:
    changed = [cell for cell in cells if cell.text != cell.stored]
    if changed:
        example = changed[0]
        log.tell("file.shown_numbers", column=column, count=len(changed), shown=example.text, stored=example.stored)


def _join_booleans(column: str, rows: list[Row], log: ProblemLog) -> None:
    """True as a truth value and as a text, however it is written, is one label: TRUE."""
    count = 0
    for row in rows:
        text = row[column]
        if isinstance(text, str) and text.strip().upper() in ("TRUE", "FALSE"):
            count += text != text.strip().upper()
            row[column] = text.strip().upper()
    if count:
        log.tell("file.truth_words", column=column, count=count)


def _some(rows: Sequence[int]) -> str:
    return ", ".join(str(row) for row in rows[:_LISTED]) + (", ..." if len(rows) > _LISTED else "")


def _range_name(merge: Merge) -> str:
    from openpyxl.utils import get_column_letter

    first, last = get_column_letter(merge.first_column), get_column_letter(merge.last_column)
    return f"{first}{merge.first_row}:{last}{merge.last_row}"

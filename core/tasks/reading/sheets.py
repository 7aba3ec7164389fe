"""xlsx workbooks, row by row. The zip is weighed before it is opened (bombs), numbers stay as Excel keeps them."""

from __future__ import annotations

import datetime
import itertools
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from core.base.errors import TaskFileError
from core.tasks.reading import limits
from core.tasks.reading.delimited import HEADER_RECORDS, skip_titles
from core.tasks.reading.header import looks_like_header
from core.tasks.reading.table import ProblemLog, ReadOptions, Row, Table, check_cells, clean_columns, require_rows

_EXCEL_ERRORS = frozenset(("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"))

# What zipfile, the XML parser and openpyxl raise on a damaged workbook, found by changing bytes at random.
_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    ParseError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    struct.error,
)

Record = tuple[int, list[Any]]


def read_sheet(path: Path, options: ReadOptions, log: ProblemLog) -> Table:
    """One sheet of a workbook: the one asked for, else the first that holds anything.

    Raises:
        TaskFileError: not a workbook, too large when unpacked, protected, unknown sheet, nothing in it.
    """
    _require_harmless(path, log)
    import openpyxl  # here: 60 ms and 15 MB that the other formats do without

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        except _DAMAGED as error:
            raise TaskFileError("file.bad_sheet", file=log.file, detail=_plain(error)) from error
        try:
            return _read_book(book, options, log)
        except _DAMAGED as error:
            raise TaskFileError("file.bad_sheet", file=log.file, detail=_plain(error)) from error
        finally:
            book.close()


def _plain(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def _require_harmless(path: Path, log: ProblemLog) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise TaskFileError("file.bad_sheet", file=log.file, detail=_plain(error)) from error
    names = {e.filename for e in entries}
    if not any(n.startswith("xl/") for n in names):
        raise TaskFileError("file.zip_not_sheet", file=log.file)
    size, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries) + 1
    suspicious = size > limits.SMALL_SHEET_BYTES and size / packed > limits.MAX_SHEET_RATIO
    if size > limits.MAX_SHEET_BYTES or suspicious or len(entries) > 10_000:
        raise TaskFileError("file.sheet_bomb", file=log.file, size=size >> 20, packed=max(1, packed >> 20))
    if any(e.flag_bits & 1 for e in entries):
        raise TaskFileError("file.sheet_locked", file=log.file)


def _read_book(book: Any, options: ReadOptions, log: ProblemLog) -> Table:
    titles = tuple(s.title for s in book.worksheets)
    if len(titles) > limits.MAX_SHEETS:
        raise TaskFileError("file.many_sheets", file=log.file, sheets=len(titles), bound=limits.MAX_SHEETS)
    wanted = [s for s in book.worksheets if options.sheet in (None, s.title)]
    if not wanted and options.sheet is not None:
        raise TaskFileError("file.no_such_sheet", file=log.file, sheet=options.sheet, known=", ".join(titles))
    for sheet in wanted:
        records = _records(sheet, log)
        first = list(itertools.islice(records, HEADER_RECORDS))
        if first:
            if options.sheet is None and len(titles) > 1:
                log.add(
                    "file.other_sheets",
                    "warning",
                    sheet=sheet.title,
                    others=", ".join(t for t in titles if t != sheet.title),
                )
            return _build(first, records, titles, options, log)
    raise TaskFileError("file.empty", file=log.file)


def _records(sheet: Any, log: ProblemLog) -> Iterator[Record]:
    sheet.reset_dimensions()  # the stored size may be wrong or huge
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = list(values)
        while cells and cells[-1] is None:
            cells.pop()
        if len(cells) > limits.MAX_COLUMNS:
            raise TaskFileError("file.many_columns", file=log.file, columns=len(cells), bound=limits.MAX_COLUMNS)
        if cells:
            yield number, [_cell(v, (number, i + 1), log, cells) for i, v in enumerate(cells)]


def _cell(value: Any, place: tuple[int, int], log: ProblemLog, row: list[Any]) -> Any:
    """A cell as text, number or date; `place` is (line, column)."""
    if isinstance(value, str):
        if value in _EXCEL_ERRORS:
            line, column = place
            log.add("file.excel_error", "warning", line=line, column=column, value=value, raw=row)
            return None
        return value.replace("_x000D_", "").replace("\r\n", "\n")
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    return value


def _build(
    first: list[Record], rest: Iterator[Record], titles: tuple[str, ...], options: ReadOptions, log: ProblemLog
) -> Table:
    first = first[skip_titles(first, options, log) :]
    width = max(len(cells) for _, cells in first)
    padded = [cells + [None] * (width - len(cells)) for _, cells in first]
    has_header = options.header if options.header is not None else looks_like_header(padded)
    if has_header:
        columns = clean_columns(padded[0], log)
    elif len(options.column_names) == width:
        columns = clean_columns(options.column_names, log)
    else:
        columns = clean_columns([f"column_{i + 1}" for i in range(width)], log)
    rows: list[Row] = []
    numbers: list[int] = []
    truncated = False
    for line, cells in itertools.chain(first[1:] if has_header else first, rest):
        if len(cells) > width:
            log.add("file.ragged", line=line, found=len(cells), expected=width, raw=cells)
            continue
        if not check_cells(cells, line, log):
            continue
        if len(rows) >= options.row_cap:
            truncated = True
            break
        rows.append(dict(zip(columns, cells + [None] * (width - len(cells)), strict=True)))
        numbers.append(line)
    require_rows(rows, log, has_header)
    return Table(
        log.file,
        "xlsx",
        "utf-8",
        columns,
        rows,
        numbers,
        log.finish(),
        sheets=titles,
        has_header=has_header,
        truncated=truncated,
    )

"""xlsx workbooks: the zip is weighed before it is opened (bombs), the sheet with the rows is chosen and read."""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from core.base.errors import TaskFileError
from core.tasks.reading import limits
from core.tasks.reading.readings import SHOWN_ROWS, Doubt, Reading, ReadOptions, shown_rows
from core.tasks.reading.sheet_cells import SheetCells
from core.tasks.reading.sheet_choice import Choice, choose_sheet
from core.tasks.reading.sheet_table import build_table, read_grid
from core.tasks.reading.split_parts import COLUMN as SPLIT
from core.tasks.reading.split_parts import join_parts
from core.tasks.reading.table import ProblemLog, Table

SHEET = "sheet"  # the column that says which sheet a row is from
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


def read_sheet(path: Path, options: ReadOptions, log: ProblemLog) -> Table:
    """One sheet of a workbook: the one asked for, else the visible one that looks like a table. Sheets called
    train, test, ... with the same columns are read together, with a column that says the split.

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
            strict = _is_strict(archive)
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
    if strict:
        raise TaskFileError("file.strict_sheet", file=log.file)


def _is_strict(archive: zipfile.ZipFile) -> bool:
    """Saved as "Strict Open XML", which openpyxl reads as empty."""
    try:
        with archive.open("xl/workbook.xml") as file:
            return b"purl.oclc.org/ooxml" in file.read(2000)
    except (KeyError, RuntimeError, zlib.error, EOFError, NotImplementedError):
        return False


def _read_book(book: Any, options: ReadOptions, log: ProblemLog) -> Table:
    titles = tuple(s.title for s in book.worksheets)
    if len(titles) > limits.MAX_SHEETS:
        raise TaskFileError("file.many_sheets", file=log.file, sheets=len(titles), bound=limits.MAX_SHEETS)
    if options.sheet is None:
        choice = choose_sheet(book, log)
    else:
        choice = Choice(next((s for s in book.worksheets if s.title == options.sheet), None))
        if choice.sheet is None:
            raise TaskFileError("file.no_such_sheet", file=log.file, sheet=options.sheet, known=", ".join(titles))
    if choice.parts:
        parts = [(name, _read_one(book, sheet, options, log)) for name, sheet in choice.parts]
        joined = join_parts(parts, log, SPLIT if choice.is_split else SHEET)
        table = joined if choice.is_split else replace(joined, split_column="")
    else:
        table = _read_one(book, choice.sheet, options, log)
    doubt = _doubt(book, table, choice, log) if choice.other is not None else None
    return replace(table, sheets=titles, doubts=(*table.doubts, *((doubt,) if doubt else ())))


def _doubt(book: Any, table: Table, choice: Choice, log: ProblemLog) -> Doubt | None:
    """Two visible sheets that both hold a table, or several as one against the first alone."""
    try:
        other = _read_one(book, choice.other, ReadOptions(max_rows=SHOWN_ROWS), ProblemLog(log.file))
    except TaskFileError:
        return None  # the other sheet cannot be meant: it cannot be read
    titles = [title for title, _ in choice.parts]
    taken = ReadOptions() if titles else ReadOptions(sheet=choice.sheet.title)
    left = Reading(taken, 0.6, table.columns, shown_rows(table.columns, table.rows))
    right = Reading(
        ReadOptions(sheet=choice.other.title), 0.4, other.columns, shown_rows(other.columns, other.rows)
    )
    values = {"file": log.file, "found": " + ".join(titles) or choice.sheet.title, "expected": choice.other.title}
    return Doubt("sheet", left, right, values)


def _read_one(book: Any, sheet: Any, options: ReadOptions, log: ProblemLog) -> Table:
    cells = SheetCells(book, sheet, stored=options.raw_numbers)
    return build_table(read_grid(cells, options, log), cells, options, log)

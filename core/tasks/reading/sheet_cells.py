"""The cells of one sheet, row by row, as a spreadsheet program shows them: number formats applied, formulas by
their stored results, merged ranges and hidden rows and columns noted.

openpyxl takes the XML apart; it is asked cell by cell, because its own cells know no hidden columns, merged ranges
or formulas without a result when a workbook is read row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from core.tasks.reading.digit_formats import show_general
from core.tasks.reading.number_formats import parse_format, show_number, show_text, without_clock

ERRORS = frozenset(("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"))
_MERGE = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^>]*?ref=["\']\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})["\']'
)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_CHUNK = 1 << 20
_MERGE_CHARS = 200  # that a mergeCell element may span two chunks
# Dates that Chinese Excel names by number alone (ECMA-376 part 1, 18.8.30, zh-cn), and one that openpyxl has wrong.
_MORE_FORMATS = {
    **dict.fromkeys((27, 36, 50, 52, 57), 'yyyy"年"m"月"'),
    **dict.fromkeys((28, 29, 51, 53, 54, 58), 'm"月"d"日"'),
    30: "m-d-yy",
    31: 'yyyy"年"m"月"d"日"',
    32: 'h"时"mm"分"',
    33: 'h"时"mm"分"ss"秒"',
    **dict.fromkeys((34, 55), '上午/下午h"时"mm"分"'),
    **dict.fromkeys((35, 56), '上午/下午h"时"mm"分"ss"秒"'),
    44: '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)',
}
_FIRST_OWN_FORMAT = 164
_NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_VALUE, _FORMULA, _INLINE, _TEXT = (f"{_NAMESPACE}{name}" for name in ("v", "f", "is", "t"))


class Merge(NamedTuple):
    """A merged range; rows and columns count from 1."""

    first_column: int
    first_row: int
    last_column: int
    last_row: int


class Shown(NamedTuple):
    """A number whose format shows it in another way than it is stored."""

    text: str
    stored: str


class Dated(NamedTuple):
    """A date as its cell shows it; `day` is the same without its clock where that stands at midnight."""

    text: str
    day: str
    is_system: bool  # every computer shows it in its own way


Cell = str | bool | Shown | Dated | None
Record = tuple[int, list[Any]]  # row number, cells


@dataclass
class SheetNotes:
    """What a sheet holds beside its values: filled while its rows are read."""

    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: set[int] = field(default_factory=set)  # from 1
    errors: list[tuple[int, int, str]] = field(default_factory=list)  # row, column, what the cell shows
    unresolved: dict[int, list[int]] = field(default_factory=dict)  # column -> rows of formulas without a result
    unshown: dict[int, list[int]] = field(default_factory=dict)  # column -> rows whose format hides the value


@dataclass
class SheetCells:
    """One sheet of an open workbook. `rows` may be read once; `notes` and `merges` belong to it."""

    book: Any
    sheet: Any
    stored: bool = False  # values as they are stored, number formats aside
    notes: SheetNotes = field(default_factory=SheetNotes)
    _codes: dict[str, str] = field(default_factory=dict)  # by style
    _columns: dict[str, int] = field(default_factory=dict)  # by letters
    _parser: Any = None

    def rows(self, most_columns: int) -> Iterator[Record]:
        """Rows that hold anything. A row of more than `most_columns` cells comes with one more, as a sign of it."""
        from openpyxl.worksheet._reader import WorkSheetParser

        with self._open() as source:
            parser = WorkSheetParser(source, self.sheet._shared_strings, data_only=True)
            parser.parse_cell = self._read_cell
            self._parser = parser
            for number, found in parser.parse():
                cells: list[Any] = []
                for column, value in found:
                    if value is not None and column > len(cells):
                        cells += [None] * (min(column, most_columns + 1) - len(cells))
                    if value is not None and column <= most_columns:
                        cells[column - 1] = value
                self._note_hidden(parser, number, bool(cells))
                if cells:
                    yield number, cells

    def merges(self) -> list[Merge]:
        """The merged ranges, which stand behind the rows in the file."""
        from openpyxl.utils import column_index_from_string

        found: list[Merge] = []
        with self._open() as source:
            rest = b""
            while chunk := source.read(_CHUNK):
                text = rest + chunk
                end = 0
                for match in _MERGE.finditer(text):
                    left, top, right, bottom = (part.decode() for part in match.groups())
                    columns = column_index_from_string(left), column_index_from_string(right)
                    found.append(Merge(columns[0], int(top), columns[1], int(bottom)))
                    end = match.end()
                rest = text[max(end, len(text) - _MERGE_CHARS) :]
        return found

    def _open(self) -> Any:
        return self.sheet._get_source()

    def _note_hidden(self, parser: Any, number: int, has_cells: bool) -> None:
        attributes = parser.row_dimensions.pop(str(number), {})
        if has_cells and (_is_true(attributes.get("hidden")) or attributes.get("ht") == "0"):
            self.notes.hidden_rows.append(number)
        for column in parser.column_dimensions.values():
            if _is_true(column.get("hidden")) or column.get("width") == "0":
                last = min(int(column["max"]), int(column["min"]) + 1000)
                self.notes.hidden_columns.update(range(int(column["min"]), last + 1))
        parser.column_dimensions.clear()

    def _read_cell(self, element: Element) -> tuple[int, Cell]:
        """(column, what the cell shows); the parser's own way to read a cell, replaced."""
        parser = self._parser
        place = element.get("r")
        column = self._column(place) if place else parser.col_counter + 1
        parser.col_counter = column
        kind = element.get("t", "n")
        if kind == "inlineStr":
            return column, self._text(_inline(element), element)
        value = element.findtext(_VALUE)
        if not value:
            if kind != "str" and element.find(_FORMULA) is not None:
                self.notes.unresolved.setdefault(column, []).append(parser.row_counter)
            return column, None
        if kind == "s":
            return column, self._text(parser.shared_strings[int(value)], element)
        if kind == "b":
            return column, value.strip() in ("1", "true")
        if kind == "e" or value in ERRORS:
            self.notes.errors.append((parser.row_counter, column, value))
            return column, None
        if kind == "str":
            return column, self._text(value, element)
        return column, self._number(_stored_number(value, kind, self.book.epoch), element, column)

    def _column(self, place: str) -> int:
        """The column's number: B7 -> 2."""
        letters = place.rstrip("0123456789")
        if letters not in self._columns:
            from openpyxl.utils import column_index_from_string

            self._columns[letters] = column_index_from_string(letters.replace("$", ""))
        return self._columns[letters]

    def _text(self, value: Any, element: Element) -> str | None:
        text = str(value)
        if "_x" in text:
            text = _unescape(text)
        if "\r\n" in text:
            text = text.replace("\r\n", "\n")
        code = self._code(element)
        return show_text(text, code) if text and "@" in code and not self.stored else text or None

    def _number(self, value: float | str, element: Element, column: int) -> Cell:
        if isinstance(value, str):
            return value
        code = self._code(element)
        if code == "General" and isinstance(value, int):
            return str(value)
        found = parse_format(code)
        from_1904 = self.book.epoch.year == 1904
        if found.is_general:
            return _plain_number(value) if self.stored else show_general(value)
        if self.stored:
            return _stored_date(value, code, from_1904) if found.is_date else _plain_number(value)
        shown = show_number(value, code, from_1904)
        if shown is None:
            self.notes.unshown.setdefault(column, []).append(self._parser.row_counter)
            return show_general(value)
        if not found.shows_day:
            return shown if found.is_date else Shown(shown, show_general(value))
        midnight = found.shows_clock and float(value).is_integer()
        day = show_number(value, without_clock(code), from_1904) if midnight else ""
        return Dated(shown, day or "", found.is_system)

    def _code(self, element: Element) -> str:
        """The number format of a cell's style."""
        style = element.get("s") or "0"
        code = self._codes.get(style)
        if code is None:
            code = self._codes[style] = _format_code(self.book, int(style))
        return code


def _format_code(book: Any, style: int) -> str:
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    styles = book._cell_styles
    number = styles[style].numFmtId if style < len(styles) else 0
    if number >= _FIRST_OWN_FORMAT:
        own = book._number_formats
        return str(own[number - _FIRST_OWN_FORMAT]) if number - _FIRST_OWN_FORMAT < len(own) else "General"
    return str(_MORE_FORMATS.get(number) or BUILTIN_FORMATS.get(number) or "General")


def _is_true(value: str | None) -> bool:
    return value in ("1", "true")


def _inline(element: Element) -> str:
    child = element.find(_INLINE)
    if child is None:
        return ""
    if len(child) == 1 and child[0].tag == _TEXT:
        return child[0].text or ""
    from openpyxl.cell.text import Text

    return str(Text.from_tree(child).content)


def _unescape(text: str) -> str:
    """_x000A_ is a line break; other control characters mean nothing in a text."""

    def character(match: re.Match[str]) -> str:
        found = chr(int(match[1], 16))
        return found if found.isprintable() or found in "\n\t" else ""

    return _ESCAPED.sub(character, text)


def _stored_number(value: str, kind: str, epoch: Any) -> float | str:
    if kind == "d":
        from openpyxl.utils.datetime import from_ISO8601, to_excel

        moment = from_ISO8601(value)
        return value if moment is None else float(to_excel(moment, epoch))
    return float(value) if any(mark in value for mark in ".eE") else int(value)


def _plain_number(value: float) -> str:
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    return str(int(value)) if whole else repr(value)


def _stored_date(value: float, code: str, from_1904: bool) -> str:
    """A date or time as ISO 8601 writes it, a duration in hours, whatever the format shows."""
    found = parse_format(code)
    iso = "[hh]:mm:ss"
    if found.shows_day:
        iso = "yyyy-mm-dd" if float(value).is_integer() else "yyyy-mm-dd hh:mm:ss"
    return show_number(value, iso, from_1904) or _plain_number(value)

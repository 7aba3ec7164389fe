"""Which sheet of a workbook holds the rows: the visible one that looks like a table; others are told or asked."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.reading.limits import MAX_COLUMNS
from core.tasks.reading.sheet_cells import SheetCells
from core.tasks.reading.split_words import split_of_name
from core.tasks.reading.table import ProblemLog

_LOOKED_AT = 30  # rows
_SHORT = 3  # times as many rows in another sheet make one short


@dataclass(frozen=True)
class Choice:
    """`parts`: sheets with the same columns, read together, each with its name, or with the split that it says
    (`is_split`); else one sheet and its runner-up."""

    sheet: Any
    other: Any = None
    parts: tuple[tuple[str, Any], ...] = ()
    is_split: bool = False


def choose_sheet(book: Any, log: ProblemLog) -> Choice:
    """The sheet to read; what is passed over is said.

    Raises:
        TaskFileError: no sheet holds anything.
    """
    looks = [(_look(book, sheet), sheet) for sheet in book.worksheets]
    filled = [(look, sheet) for look, sheet in looks if look.rows]
    if not filled:
        raise TaskFileError("file.empty", file=log.file)
    visible = [(look, s) for look, s in filled if s.sheet_state == "visible"] or filled
    hidden = [s.title for _, s in filled if s.sheet_state != "visible"]
    splits = _split_parts(visible)
    main = _main(visible)
    parts = splits or _like(main, visible)
    taken = [s for _, s in parts] if parts else [main[1]]
    if hidden:
        kept = [title for title in hidden if title not in {s.title for s in taken}]
        if kept:
            log.tell("file.hidden_sheets", sheet=taken[0].title, others=", ".join(kept))
        else:
            log.add("file.hidden_sheet_taken", "warning", sheet=taken[0].title)
    rest = [(look, s) for look, s in visible if s not in taken]
    if rest:
        names = ", ".join(s.title for s in taken)
        log.add("file.other_sheets", "warning", sheet=names, others=", ".join(s.title for _, s in rest))
    other = next((s for look, s in rest if look.is_table), None)
    return Choice(taken[0], None if splits else taken[0] if parts else other, tuple(parts), bool(splits))


@dataclass(frozen=True)
class _Look:
    """`rows` of the first _LOOKED_AT; `columns` as the first row with two cells or more says them."""

    rows: int
    columns: tuple[str, ...]
    is_table: bool


_Seen = tuple[_Look, Any]


def _main(visible: list[_Seen]) -> _Seen:
    """The first sheet that looks like a table; one of a few rows gives way to a longer one."""
    tables = [found for found in visible if found[0].is_table] or visible
    longest = max(look.rows for look, _ in tables)
    return next(found for found in tables if found[0].rows * _SHORT >= longest)


def _like(main: _Seen, visible: list[_Seen]) -> list[tuple[str, Any]]:
    """The sheets with the same columns as the main one (a month each, for example); [] for one alone."""
    columns = main[0].columns
    same = [(s.title, s) for look, s in visible if look.is_table and look.columns == columns]
    return same if len(same) > 1 and len(columns) > 1 and all(columns) else []


def _look(book: Any, sheet: Any) -> _Look:
    """The first rows of a sheet: whether most of them fill two cells or more."""
    cells = SheetCells(book, sheet)
    rows = [row for _, row in itertools.islice(cells.rows(MAX_COLUMNS), _LOOKED_AT)]
    wide = sum(1 for row in rows if sum(cell is not None for cell in row) >= 2)
    header = next((row for row in rows if sum(cell is not None for cell in row) >= 2), [])
    return _Look(len(rows), tuple(_plain(c) for c in header), len(rows) >= 2 and wide * 2 > len(rows))


def _plain(cell: Any) -> str:
    return "" if cell is None else str(getattr(cell, "text", cell)).strip()


def _split_parts(visible: list[_Seen]) -> list[tuple[str, Any]]:
    """Sheets called train, test, ... with the same columns, in the order of the workbook; else []."""
    found = [(split_of_name(sheet.title), look, sheet) for look, sheet in visible]
    named = [(split, look, sheet) for split, look, sheet in found if split]
    splits = {split for split, _, _ in named}
    columns = {tuple(sorted(look.columns)) for _, look, _ in named}
    if "train" not in splits or len(splits) < 2 or len(named) != len(splits) or len(columns) != 1:
        return []
    return [(split, sheet) for split, _, sheet in named]

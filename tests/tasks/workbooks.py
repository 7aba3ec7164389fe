"""Workbooks made on the spot: number formats, merged ranges, hidden parts, formulas with and without results."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

Change = Callable[[Worksheet], None]


def write_book(path: Path, sheets: dict[str, Sequence[Sequence[Any]]], change: Change | None = None) -> Path:
    """A workbook; a cell may be (value, number format). `change` has the last word on the first sheet."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row, start=1):
                cell = sheet.cell(number, column)
                cell.value, cell.number_format = value if isinstance(value, tuple) else (value, cell.number_format)
    if change is not None:
        change(book.worksheets[0])
    book.save(path)
    return path


def replace_in_book(path: Path, name: str, old: str, new: str) -> Path:
    """The workbook with other XML in one of its parts, for what openpyxl does not write."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry: archive.read(entry) for entry in archive.namelist()}
    assert old in parts[name].decode()
    parts[name] = parts[name].decode().replace(old, new).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in parts.items():
            archive.writestr(entry, content)
    return path

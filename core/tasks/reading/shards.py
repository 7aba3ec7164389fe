"""One table in several files, such as data/train-00000-of-00003.parquet: read in order, with one limit for all.

Rows are numbered through: the first row of the second part follows the last line of the first. Problems keep the
name and line of their own file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from core.base.errors import TaskFileError
from core.base.files import hash_file
from core.tasks.reading.files import read_table
from core.tasks.reading.limits import MAX_FILE_BYTES, MAX_ROWS
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import Row, Table

_PART = re.compile(r"\d+([-_ ]?of[-_ ]?\d)", re.IGNORECASE)
SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(?:-[0-9a-f]{16})?(\..*)")  # older data sets add a hash


def read_parts(paths: Sequence[Path], options: ReadOptions, name: str) -> Table:
    """The rows of all parts in order, under one name. A single file is read as `read_table` does.

    Raises:
        TaskFileError: as `read_table`; parts with different columns; together too large or too many rows.
    """
    if len(paths) == 1:
        return read_table(paths[0], options, name)
    require_total((path.stat().st_size for path in paths), name)
    first = read_table(paths[0], options, _part_name(name, 0, paths[0]))
    rows: list[Row] = list(first.rows)
    lines, problems = list(first.lines), list(first.problems)
    for number, path in enumerate(paths[1:], start=1):
        part = read_table(path, options, _part_name(name, number, path))
        if set(part.columns) != set(first.columns):
            known = ", ".join(first.columns)
            raise TaskFileError("file.other_columns", file=part.name, columns=", ".join(part.columns), known=known)
        if len(rows) + len(part.rows) > MAX_ROWS:
            raise TaskFileError("file.many_rows", file=name, rows=len(rows) + len(part.rows), bound=MAX_ROWS)
        before = lines[-1]
        rows += ({column: row[column] for column in first.columns} for row in part.rows)
        lines += (before + line for line in part.lines)
        problems += part.problems
    return replace(first, name=name, rows=rows, lines=lines, problems=problems)


def require_total(sizes: Iterable[int], name: str) -> None:
    """Refuses parts that are together larger than a single file may be."""
    if sum(sizes) > MAX_FILE_BYTES:
        raise TaskFileError("file.too_large", file=name, bound=MAX_FILE_BYTES >> 20)


def hash_parts(paths: Sequence[Path]) -> str:
    """SHA-256 of the file, or of the hashes of all parts in order."""
    hashes = [hash_file(path) for path in paths]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _part_name(name: str, number: int, path: Path) -> str:
    """The part's own name; paths of the Hub's cache do not tell it, so there it is made from that of all parts."""
    if SHARD.fullmatch(path.name) or "-*-of-" not in name:
        return path.name
    return name.replace("-*-of-", f"-{number:05d}-of-", 1)


def name_parts(names: Sequence[str]) -> str:
    """One name for all parts: 'train-*-of-00003.parquet'; a single file keeps its own."""
    shard = SHARD.fullmatch(names[0])
    if len(names) == 1:
        return names[0]
    return _PART.sub(r"*\1", names[0], count=1) if shard is None else f"{shard[1]}-*-of-{shard[3]}{shard[4]}"

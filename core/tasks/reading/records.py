"""Lines of text to records of cells: Python's csv reader does the splitting, this file numbers physical lines and
recovers where a quote is never closed (the reader would swallow the rest of the file as one cell)."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.tasks.reading.limits import MAX_CELL_CHARS
from core.tasks.reading.table import ProblemLog

MAX_RECOVERIES = 50
BLOCK_LINES = 4_000
# The cap that csv itself enforces is one for the whole process; ours sets it once, above any usable cell.
csv.field_size_limit(2 * MAX_CELL_CHARS)

Record = tuple[int, list[str]]


@dataclass(frozen=True)
class Dialect:
    delimiter: str
    quoted: bool = True
    skip_blanks: bool = False

    def reader(self, lines: Iterable[str], strict: bool = False) -> Iterator[list[str]]:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        return csv.reader(
            lines, delimiter=self.delimiter, quoting=quoting, skipinitialspace=self.skip_blanks, strict=strict
        )

    def join(self, cells: Sequence[str]) -> str:
        """A record as text again: the file's own, but for quotes that were not needed."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator="").writerow(cells)
        return text.getvalue() if self.quoted else self.delimiter.join(cells)


def read_records(lines: Iterable[str], dialect: Dialect, log: ProblemLog, skipped: int = 0) -> Iterator[Record]:
    """Records with the physical line each starts on; blank lines left out; unclosed quotes recovered.

    Blocks of lines go to the csv reader at once; what a block cannot settle (its last record, an unclosed quote, a
    cell above the cap) is left to the careful reading line by line.
    """
    lines = iter(lines)
    block: list[str] = []
    while len(block) <= BLOCK_LINES:
        fresh = list(itertools.islice(lines, BLOCK_LINES))
        block += fresh
        if len(fresh) < BLOCK_LINES:
            break
        done = yield from _whole_records(block, dialect, skipped)
        skipped += done
        del block[:done]
        if done == 0:
            break
    yield from _careful_records(itertools.chain(block, lines), dialect, log, skipped)


def _whole_records(block: list[str], dialect: Dialect, skipped: int) -> Generator[Record, None, int]:
    """The records of a block but its last one; returns how many lines they took."""
    reader: Any = dialect.reader(block)
    start, end = 0, len(block)
    try:
        for cells in reader:
            if reader.line_num >= end:
                return start
            if any(cells):
                yield skipped + start + 1, cells
            start = reader.line_num
    except csv.Error:
        return start
    return start


def _careful_records(lines: Iterable[str], dialect: Dialect, log: ProblemLog, skipped: int) -> Iterator[Record]:
    feed = _Feed(lines, skipped)
    for _ in range(MAX_RECOVERIES):
        broken = yield from _until_broken(feed, dialect)
        if broken is None:
            return
        line, text = broken
        if len(text) == 1 and len(text[0]) > MAX_CELL_CHARS:
            log.add("file.giant_cell", line=line, column=1, chars=len(text[0]), bound=MAX_CELL_CHARS, raw=text[0])
        else:
            log.add("file.open_quote", "warning", line=line, raw=text[0])
            yield line, next(Dialect(dialect.delimiter, quoted=False).reader(text[:1]))
        feed.rewind(text[1:], line)
    yield from _unquoted(feed, dialect, log)


def _unquoted(feed: _Feed, dialect: Dialect, log: ProblemLog) -> Iterator[Record]:
    plain = Dialect(dialect.delimiter, quoted=False)
    for line in feed:
        if len(line) > MAX_CELL_CHARS:
            size: dict[str, Any] = {"chars": len(line), "bound": MAX_CELL_CHARS}
            log.add("file.giant_cell", line=feed.number, column=1, raw=line, **size)
        elif line.strip():
            yield feed.number, next(plain.reader([line]))


class _Feed:
    """Hands lines to the csv reader, keeps those of the record being read, and can go back to its start."""

    def __init__(self, lines: Iterable[str], number: int = 0) -> None:
        self._lines = iter(lines)
        self.number = number
        self.pending: list[str] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.pending.append(line)
        return line

    def rewind(self, lines: list[str], number: int) -> None:
        self._lines = itertools.chain(lines, self._lines)
        self.number = number
        self.pending = []


Broken = tuple[int, list[str]]


def _until_broken(feed: _Feed, dialect: Dialect) -> Generator[Record, None, Broken | None]:
    """Yields records; returns (line, text lines) of a record whose quote is never closed, or None at the end."""
    reader = dialect.reader(feed)
    held: tuple[int, list[str], list[str]] | None = None
    while True:
        start = feed.number + 1
        feed.pending = []
        try:
            cells = next(reader, None)
        except csv.Error:
            if held:
                yield held[0], held[1]
            return start, feed.pending
        if held is not None:
            if cells is None and _is_unclosed(held[2], dialect):
                return held[0], held[2]
            yield held[0], held[1]
            held = None
        if cells is None:
            return None
        if not any(cells):
            continue
        if len(feed.pending) > 1 or not feed.pending[-1].endswith(("\n", "\r")):
            held = (start, cells, feed.pending)
        else:
            yield start, cells


def _is_unclosed(text: list[str], dialect: Dialect) -> bool:
    try:
        list(dialect.reader(text, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False

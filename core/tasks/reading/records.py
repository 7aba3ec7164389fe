"""Lines of text to records of cells: Python's csv reader does the splitting, this file numbers physical lines and
mends what is not written by the rules (a quote that is never closed would swallow the rest of the file)."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.tasks.reading.limits import MAX_CELL_CHARS
from core.tasks.reading.table import ProblemLog

MAX_RECOVERIES = 50
BLOCK_LINES = 4_000
# The cap that csv itself enforces is one for the whole process; ours sets it once, above any usable cell.
csv.field_size_limit(2 * MAX_CELL_CHARS)

Record = tuple[int, list[str]]
Mended = tuple[str, list[str], int]  # what is noted, the cells, over how many lines
Fault = tuple[str, int]  # "end", "stray" or "large", and over how many lines


@dataclass(frozen=True)
class Dialect:
    """How cells are written. `quote` is empty where quotes are ordinary signs; a quote inside quotes is doubled, or
    stands behind a backslash where `escape` is "quotes" or "all" (then backslashes are doubled themselves)."""

    delimiter: str
    quote: str = '"'
    escape: str = ""
    skip_blanks: bool = False

    def reader(self, lines: Iterable[str], strict: bool = False) -> Iterator[list[str]]:
        if self.escape:
            kept = re.compile(rf"\\(?![{re.escape(self.delimiter + self.quote)}])")
            lines = (_keep_backslashes(line, kept, self.escape) if "\\" in line else line for line in lines)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            quotechar=self.quote or None,
            escapechar="\\" if self.escape else None,
            skipinitialspace=self.skip_blanks,
            strict=strict,
        )

    @property
    def plain(self) -> Dialect:
        """The same with quotes as ordinary signs."""
        return replace(self, quote="")

    def join(self, cells: Sequence[str]) -> str:
        """A record as text again: the file's own, but for quotes that were not needed."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator="").writerow(cells)
        return text.getvalue() if self.quote else self.delimiter.join(cells)


def _keep_backslashes(line: str, kept: re.Pattern[str], escape: str) -> str:
    """Doubles the backslashes that escape nothing, so that the csv reader leaves them in."""
    if escape == "all":
        return "\\\\".join(kept.sub(r"\\\\", part) for part in line.split("\\\\"))
    return kept.sub(r"\\\\", line)


def read_records(lines: Iterable[str], dialect: Dialect, log: ProblemLog, skipped: int = 0) -> Iterator[Record]:
    """Records with the physical line each starts on; blank lines left out; faults of quoting mended and noted."""
    return _Records(iter(lines), dialect, log, skipped).run()


class _Records:
    """Blocks of lines go to the csv reader at once; it stops at a fault, which is mended, and goes on behind it."""

    def __init__(self, lines: Iterator[str], dialect: Dialect, log: ProblemLog, number: int) -> None:
        self._lines, self._dialect, self._log = lines, dialect, log
        self._number = number  # of lines done
        self._block: list[str] = []
        self._width = 0  # of the latest record
        self._recoveries = 0

    def run(self) -> Iterator[Record]:
        ended = False
        while not ended:
            fresh = list(itertools.islice(self._lines, BLOCK_LINES))
            ended = len(fresh) < BLOCK_LINES
            self._block += fresh
            while self._block:
                fault = yield from self._sound(ended)
                if fault is None or (fault[0] == "end" and not ended and self._may_go_on(fault)):
                    break
                yield from self._mend(*fault)

    def _may_go_on(self, fault: Fault) -> bool:
        return sum(map(len, self._block[: fault[1]])) <= MAX_CELL_CHARS

    def _sound(self, ended: bool) -> Generator[Record, None, Fault | None]:
        """Records up to the first fault; the last one of a block waits for the lines to come."""
        block, number, fault = self._block, self._number, None
        reader: Any = self._dialect.reader(block, strict=True)
        start, end = 0, len(block) + ended
        cells: list[str] = []
        try:
            for cells in reader:
                if reader.line_num >= end:
                    break
                if cells and (len(cells) > 1 or cells[0].strip()):
                    yield number + start + 1, cells
                start = reader.line_num
        except csv.Error as error:
            kind = next((k for k, words in _FAULTS.items() if words in str(error)), "stray")
            fault = (kind, max(1, reader.line_num - start))
        self._width = len(cells) or self._width
        self._number += start
        del block[:start]
        return fault

    def _mend(self, kind: str, num_lines: int) -> Iterator[Record]:
        """One record where the quotes do not parse: read as they stand, or as ordinary signs on its first line."""
        text, number = self._block[:num_lines], self._number + 1
        if len(text[0]) > MAX_CELL_CHARS:
            size: dict[str, Any] = {"chars": len(text[0]), "bound": MAX_CELL_CHARS}
            self._log.add("file.giant_cell", line=number, column=1, raw=text[0], **size)
            self._drop(1)
            return
        key, cells, taken = self._escaped(text) or self._stray(kind, text) or self._open(text)
        self._log.add(key, "warning", line=number, raw=text[0])
        self._drop(taken)
        yield number, cells
        if key == "file.open_quote":
            self._recoveries += 1
            if self._recoveries > MAX_RECOVERIES and self._dialect.quote:
                self._log.add("reading.quotes_given_up", "warning", line=self._number + 1)
                self._dialect = self._dialect.plain

    def _escaped(self, text: list[str]) -> Mended | None:
        """Quotes behind backslashes, where they make a record of the usual width."""
        if self._dialect.escape or f"\\{self._dialect.quote}" not in "".join(text):
            return None
        for part in (text[:1], text):
            try:
                found = list(replace(self._dialect, escape="quotes").reader(part, strict=True))
            except csv.Error:
                continue
            if len(found) == 1 and len(found[0]) == self._width:
                return "reading.escaped_quote", found[0], len(part)
        return None

    def _stray(self, kind: str, text: list[str]) -> Mended | None:
        """Text behind a closing quote: the cell as it reads, or the quotes as signs of the text."""
        lenient = list(self._dialect.reader(text)) if kind == "stray" else []
        if len(lenient) != 1 or (len(text) > 1 and len(lenient[0]) != self._width):
            return None
        plain = self._plain(text)
        as_signs = len(text) == 1 and len(plain) in (self._width, len(lenient[0])) and self._has_loose(plain)
        return "reading.stray_quote", plain if as_signs else lenient[0], len(text)

    def _open(self, text: list[str]) -> Mended:
        return "file.open_quote", self._plain(text), 1

    def _plain(self, text: list[str]) -> list[str]:
        return next(self._dialect.plain.reader(text[:1]), [])

    def _has_loose(self, cells: list[str]) -> bool:
        """Whether a quote belongs to the text of a cell rather than standing around it, blanks apart."""
        whole = re.compile(rf"\s*{self._dialect.quote}[^{self._dialect.quote}]*{self._dialect.quote}\s*")
        return any(self._dialect.quote in cell and not whole.fullmatch(cell) for cell in cells)

    def _drop(self, num_lines: int) -> None:
        del self._block[:num_lines]
        self._number += num_lines


_FAULTS = {"end": "unexpected end", "large": "field larger"}

"""csv, tsv and txt with any delimiter: sniffed dialect, quoted newlines, physical line numbers, ragged rows.

Python's csv reader does the splitting; this file decides the dialect, and recovers where a quote is never closed
(the reader would swallow the rest of the file as one cell).
"""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.base.errors import TaskFileError
from core.tasks.reading.header import looks_like_header, num_title_rows
from core.tasks.reading.limits import MAX_CELL_CHARS
from core.tasks.reading.table import ProblemLog, ReadOptions, Row, Table, check_cells, clean_columns, require_rows
from core.tasks.reading.text_encoding import Source, detect_encoding, read_lines

SAMPLE_LINES = 400
HEADER_RECORDS = 300
MAX_RECOVERIES = 50
BLOCK_LINES = 4_000
# The cap that csv itself enforces is one for the whole process; ours sets it once, above any usable cell.
csv.field_size_limit(2 * MAX_CELL_CHARS)
_BY_FORMAT = {"csv": ",;\t|", "tsv": "\t,;|", "txt": "\t,;|^~\x01"}
_MIN_EVENNESS = 0.5
_OPEN_QUOTE, _STRAY_QUOTE = 0.02, 0.4  # how much a fault speaks against reading quotes as quotes
_MODES = ((True, False), (True, True), (False, False))  # (quoted, blanks after the delimiter skipped)

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


def read_delimited(source: Source, format_name: str, options: ReadOptions, log: ProblemLog) -> Table:
    """Reads a delimited text file.

    Raises:
        TaskFileError: nothing usable in it, too many columns, binary content.
    """
    source = detect_encoding(source, options.encoding)
    lines = read_lines(source, log)
    sample = list(itertools.islice(lines, SAMPLE_LINES))
    if not any(line.strip() for line in sample) and len(sample) < SAMPLE_LINES:
        raise TaskFileError("file.empty", file=log.file)
    skipped, separator = _excel_separator(sample)
    delimiter = options.delimiter or separator
    if delimiter is not None and len(delimiter) != 1:
        raise TaskFileError("file.bad_delimiter", file=log.file, delimiter=delimiter)
    dialect = sniff_dialect(sample[skipped:], _BY_FORMAT[format_name], delimiter)
    records = _records(itertools.chain(sample[skipped:], lines), dialect, log, skipped)
    first = list(itertools.islice(records, HEADER_RECORDS))
    if not first:
        raise TaskFileError("file.empty", file=log.file)
    first = first[skip_titles(first, options, log) :]
    has_header = options.header if options.header is not None else looks_like_header([c for _, c in first])
    columns = _columns(first, has_header, options, log)
    body = itertools.chain(first[1:] if has_header else first, records)
    rows, numbers, truncated = _collect(body, columns, options.row_cap, log, dialect)
    require_rows(rows, log, has_header)
    return Table(
        log.file,
        format_name,
        source.encoding,
        columns,
        rows,
        numbers,
        log.finish(),
        has_header=has_header,
        truncated=truncated,
    )


def skip_titles(first: Sequence[tuple[int, list[Any]]], options: ReadOptions, log: ProblemLog) -> int:
    """How many rows stand above the header; each is noted."""
    count = num_title_rows([cells for _, cells in first]) if options.header is not False else 0
    for line, cells in first[:count]:
        log.add("file.title_row", "warning", line=line, text=str(cells[0] if cells else "")[:80])
    return count


def _columns(first: list[Record], has_header: bool, options: ReadOptions, log: ProblemLog) -> tuple[str, ...]:
    if has_header:
        cells = first[0][1]
        widths = Counter(len(c) for _, c in first[1:]).most_common(1)
        # A trailing delimiter in the body, or a header shorter than its rows, leaves columns without a name.
        usual = widths[0][0] if widths and widths[0][1] * 2 > len(first) - 1 else 0
        extra = max(0, usual - len(cells))
        return clean_columns(cells + [""] * extra, log)
    width_all = Counter(len(c) for _, c in first).most_common(1)[0][0]
    if len(options.column_names) == width_all:
        return clean_columns(options.column_names, log)
    return clean_columns([f"column_{i + 1}" for i in range(width_all)], log)


def _collect(
    records: Iterable[Record], columns: tuple[str, ...], cap: int, log: ProblemLog, dialect: Dialect
) -> tuple[list[Row], list[int], bool]:
    rows: list[Row] = []
    numbers: list[int] = []
    width = len(columns)
    for line, cells in records:
        if len(cells) > width and not any(cells[width:]):
            cells = cells[:width]
        if len(cells) != width:
            log.add("file.ragged", line=line, found=len(cells), expected=width, raw=dialect.join(cells))
            continue
        if sum(map(len, cells)) > MAX_CELL_CHARS and not check_cells(cells, line, log):
            continue
        if len(rows) >= cap:
            return rows, numbers, True
        rows.append(dict(zip(columns, cells, strict=True)))
        numbers.append(line)
    return rows, numbers, False


def _records(lines: Iterable[str], dialect: Dialect, log: ProblemLog, skipped: int = 0) -> Iterator[Record]:
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


def _excel_separator(sample: list[str]) -> tuple[int, str | None]:
    """Excel writes 'sep=;' on the first line of a file for other countries."""
    first = sample[0].strip().lower() if sample else ""
    if first.startswith("sep=") and len(first) == 5:
        return 1, first[4]
    return 0, None


def sniff_dialect(sample: list[str], delimiters: str, delimiter: str | None = None) -> Dialect:
    """The dialect that splits the sample into the most even records, the first of equals."""
    best, best_score = Dialect(delimiter or delimiters[0]), -1.0
    for candidate in (delimiter,) if delimiter else delimiters:
        if not any(candidate in line for line in sample):
            continue
        for quoted, skip in _MODES:
            dialect = Dialect(candidate, quoted, skip)
            score = _evenness(sample, dialect)
            if score > best_score + 0.02:
                best, best_score = dialect, score
    # One delimiter in a few lines of running text does not make columns.
    if best_score < _MIN_EVENNESS and delimiter is None:
        return Dialect(delimiters[0], quoted=_quote_fault(sample, Dialect(delimiters[0])) != "stray")
    return best


def _evenness(sample: list[str], dialect: Dialect) -> float:
    """Share of records with the commonest number of cells (more than one), less where quotes do not parse."""
    fault = _quote_fault(sample, dialect) if dialect.quoted else ""
    widths = [len(cells) for _, cells in _records(sample, dialect, ProblemLog("sample")) if cells]
    if not widths:
        return -1.0
    width, count = Counter(widths).most_common(1)[0]
    share = count / len(widths) if width > 1 else 0.3 * count / len(widths)
    return share - {"": 0.0, "open": _OPEN_QUOTE, "stray": _STRAY_QUOTE}[fault]


def _quote_fault(sample: list[str], dialect: Dialect) -> str:
    """'open': a quote is never closed (the sample may end inside a cell); 'stray': text follows a closing quote."""
    try:
        for _ in dialect.reader(sample, strict=True):
            pass
    except csv.Error as error:
        return "open" if "unexpected end" in str(error) else "stray"
    return ""

"""csv, tsv and txt with any delimiter: sniffed dialect, quoted newlines, physical line numbers, ragged rows."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.reading.dialects import sniff_dialect
from core.tasks.reading.header import looks_like_header, num_title_rows
from core.tasks.reading.limits import MAX_CELL_CHARS
from core.tasks.reading.records import Dialect, Record, read_records
from core.tasks.reading.table import ProblemLog, ReadOptions, Row, Table, check_cells, clean_columns, require_rows
from core.tasks.reading.text_encoding import Source, detect_encoding, read_lines

SAMPLE_LINES = 400
HEADER_RECORDS = 300
_BY_FORMAT = {"csv": ",;\t|", "tsv": "\t,;|", "txt": "\t,;|^~\x01"}


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
    records = read_records(itertools.chain(sample[skipped:], lines), dialect, log, skipped)
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


def _excel_separator(sample: list[str]) -> tuple[int, str | None]:
    """Excel writes 'sep=;' on the first line of a file for other countries."""
    first = sample[0].strip().lower() if sample else ""
    if first.startswith("sep=") and len(first) == 5:
        return 1, first[4]
    return 0, None

"""csv, tsv and txt: the likeliest reading of a sample is applied to the file; what stays open becomes a question.

Preamble, footer and repeated header lines are named and left out; rows that do not fit are listed.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable

from core.base.errors import TaskFileError
from core.tasks.reading.choosing import choose_reading
from core.tasks.reading.limits import MAX_CELL_CHARS
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.records import Dialect, Record, read_records
from core.tasks.reading.table import ProblemLog, Row, Table, check_cells, clean_columns, require_rows
from core.tasks.reading.table_head import HEADER_RECORDS, Header, find_header, tell_head
from core.tasks.reading.text_encoding import Source, detect_encoding, read_lines, tell_encoding

MOST_FOOTER_ROWS = 5
_TOTALS = re.compile(
    r"(totals?|sum|summe|gesamt|insgesamt|totale|somme|suma|totaal|celkem|razem|итого|всего|合计|总计|小计|合計)\s*:?"
    r"|(source|quelle|fuente|fonte|exported|created|generated|end of|rows|records)\b.*"
    r"|\(?\d+ (rows|records|lines)\b.*",
    re.IGNORECASE,
)

NULL = "\\N"  # of MySQL and PostgreSQL


def read_delimited(source: Source, format_name: str, options: ReadOptions, log: ProblemLog) -> Table:
    """Reads a delimited text file.

    Raises:
        TaskFileError: nothing usable in it, too many columns, binary content.
    """
    if options.delimiter is not None and len(options.delimiter) != 1:
        raise TaskFileError("file.bad_delimiter", file=log.file, delimiter=options.delimiter)
    source = detect_encoding(source, options.encoding)
    chosen = choose_reading(source, format_name, options, log.file)
    tell_encoding(chosen.source, log)
    lines = itertools.islice(read_lines(chosen.source, log), chosen.skipped, None)
    records = read_records(lines, chosen.dialect, log, chosen.skipped)
    first = list(itertools.islice(records, HEADER_RECORDS))
    if not first:
        raise TaskFileError("file.empty", file=log.file)
    header = find_header([cells for _, cells in first], options.header)
    tell_head(first, header, log)
    first = first[header.titles :]
    columns = _columns(first, header, options, log)
    body = itertools.chain(first[header.height :], records)
    found = _Body(columns, [cells for _, cells in first[: header.height]], chosen.dialect, log)
    truncated = found.collect(body, options.row_cap)
    require_rows(found.rows, log, bool(header.height))
    found.tell_nulls()
    return Table(
        log.file,
        format_name,
        chosen.source.encoding,
        columns,
        found.rows,
        found.lines,
        log.finish(),
        has_header=bool(header.height),
        truncated=truncated,
        doubts=chosen.doubts,
    )


def _columns(first: list[Record], header: Header, options: ReadOptions, log: ProblemLog) -> tuple[str, ...]:
    widths = Counter(len(cells) for _, cells in first[header.height :]).most_common(1)
    if header.height:
        names = list(header.names)
        # A trailing delimiter in the body, or a header shorter than its rows: columns without a name.
        usual = widths[0][0] if widths and widths[0][1] * 2 > len(first) - header.height else 0
        return clean_columns(names + [""] * max(0, usual - len(names)), log)
    if len(options.column_names) == widths[0][0]:
        return clean_columns(options.column_names, log)
    return clean_columns([f"column_{i + 1}" for i in range(widths[0][0])], log)


class _Body:
    """The rows below the header; what is left out is noted with the reason."""

    def __init__(self, columns: tuple[str, ...], heads: list[list[str]], dialect: Dialect, log: ProblemLog) -> None:
        self._columns, self._heads, self._dialect, self._log = columns, heads, dialect, log
        self.rows: list[Row] = []
        self.lines: list[int] = []
        self._nulls = 0
        self._odd: list[Record] = []  # rows of another width since the latest good one: perhaps a footer

    def collect(self, records: Iterable[Record], cap: int) -> bool:
        """Takes rows up to `cap`; returns whether there were more."""
        columns, width, rows, lines = self._columns, len(self._columns), self.rows, self.lines
        heads = {head[0]: head for head in self._heads if sum(map(bool, head)) > 1}
        for line, cells in records:
            if len(cells) > width and not any(cells[width:]):
                cells = cells[:width]
            if len(cells) != width:
                self._odd.append((line, cells))
                continue
            if cells[0] in heads and heads[cells[0]][:width] == cells:
                self._log.add("reading.repeated_header", "warning", line=line, raw=cells)
                continue
            if sum(map(len, cells)) > MAX_CELL_CHARS and not check_cells(cells, line, self._log):
                continue
            if len(rows) >= cap:
                self._flush_odd(False)
                return True
            if self._odd:
                self._flush_odd(False)
            if NULL in cells:
                cells = self._emptied(cells)
            rows.append(dict(zip(columns, cells, strict=True)))
            lines.append(line)
        self._flush_odd(True)
        self._take_footer()
        return False

    def _emptied(self, cells: list[str]) -> list[str]:
        """What databases write for nothing is no label."""
        self._nulls += cells.count(NULL)
        return ["" if cell == NULL else cell for cell in cells]

    def tell_nulls(self) -> None:
        if self._nulls:
            self._log.tell("reading.nulls", count=self._nulls, mark=NULL)

    def _flush_odd(self, at_end: bool) -> None:
        width = len(self._columns)
        for line, cells in self._odd:
            few = sum(1 for cell in cells if cell.strip()) <= max(1, width // 2) and len(cells) < width
            if at_end and few and len(self._odd) <= MOST_FOOTER_ROWS:
                self._log.tell("reading.footer_row", line=line, raw=cells)
            else:
                raw = self._dialect.join(cells)
                self._log.add("file.ragged", line=line, found=len(cells), expected=width, raw=raw)
        self._odd = []

    def _take_footer(self) -> None:
        """Leaves out the last rows that hold a sum, or one cell of a wide table, below rows that are full."""
        if len(self.rows) < 2 * MOST_FOOTER_ROWS or not _is_footer(self.rows[-1]):
            return  # mostly so, and then a million rows need no look
        sparse = [i for i, row in enumerate(self.rows) if not all(value.strip() for value in row.values())]
        if len(sparse) > MOST_FOOTER_ROWS:
            return
        while self.rows and _is_footer(self.rows[-1]):
            cells = [value.strip() for value in self.rows[-1].values()]
            self._log.tell("reading.footer_row", line=self.lines[-1], raw=cells)
            self.rows.pop()
            self.lines.pop()


def _is_footer(row: Row) -> bool:
    cells = [value.strip() for value in row.values()]
    filled = sum(map(bool, cells))
    is_sum = filled <= 2 and bool(_TOTALS.fullmatch(cells[0]))
    return bool(cells[0]) and (is_sum or (filled == 1 and len(cells) > 2))

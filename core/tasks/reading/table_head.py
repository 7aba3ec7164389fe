"""The head of a table: what stands above it, then one row of names, two, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.tasks.reading.header import Records, header_score, num_title_rows
from core.tasks.reading.header_rows import join_header_rows
from core.tasks.reading.table import ProblemLog

HEADER_RECORDS = 300  # of a table are enough to tell its head


@dataclass(frozen=True)
class Header:
    """`titles` rows stand above; then come `height` rows of names (0: none). `score`: above 0 for names, in
    logarithms of odds. `names` are those of the columns, two rows joined as 'Result / label'."""

    titles: int
    height: int
    score: float
    names: tuple[Any, ...] = ()


def find_header(records: Records, wanted: bool | None = None) -> Header:
    """The header of a table from its first rows. `wanted`: a user said whether there is one."""
    titles = num_title_rows(records) if wanted is not False else 0
    rows = records[titles:]
    if wanted is False or not rows:
        return Header(titles, 0, -99.0)
    for start in range(titles + 1):  # groups with gaps between them look like a title
        names, height = join_header_rows(records[start:])
        if height:
            return Header(start, height, 9.0, tuple(names))
    score = header_score(rows)
    if wanted or score > 0:
        return Header(titles, 1, 99.0 if wanted else score, tuple(rows[0]))
    return Header(titles, 0, score)


def tell_head(first: Sequence[tuple[int, Sequence[Any]]], header: Header, log: ProblemLog) -> None:
    """Notes each row above the header, and a header of two rows."""
    tell_titles(first, header.titles, log)
    if header.height == 2:
        columns = ", ".join(str(name) for name in header.names if name)[:200]
        log.tell("file.two_headers", line=first[header.titles + 1][0], columns=columns)


def tell_titles(first: Sequence[tuple[int, Sequence[Any]]], count: int, log: ProblemLog) -> None:
    for line, cells in first[:count]:
        text = " ".join(str(cell) for cell in cells if cell not in (None, ""))
        log.add("file.title_row", "warning", line=line, text=text[:80])

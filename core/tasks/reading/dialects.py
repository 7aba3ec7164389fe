"""Which dialect a delimited text is written in: the one that splits a sample into the most even records."""

from __future__ import annotations

import csv
from collections import Counter

from core.tasks.reading.records import Dialect, read_records
from core.tasks.reading.table import ProblemLog

_MIN_EVENNESS = 0.5
_OPEN_QUOTE, _STRAY_QUOTE = 0.02, 0.4  # how much a fault speaks against reading quotes as quotes
_MODES = ((True, False), (True, True), (False, False))  # (quoted, blanks after the delimiter skipped)


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
    widths = [len(cells) for _, cells in read_records(sample, dialect, ProblemLog("sample")) if cells]
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

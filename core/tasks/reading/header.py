"""Does a row name the columns? What speaks for it, and what stands above."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from core.tasks.reading.cells import cell_kind, is_typed
from core.tasks.reading.column_words import COLUMN_WORDS, COMMON_COLUMN_WORDS, LANGUAGE_WORDS, name_words

MAX_TITLE_ROWS = 20
SURE, SURE_OF_STRANGERS = 1.5, 4.0  # a score beyond is no question; names that nobody knows need more
_LOOK_AT, _MOST_COLUMNS = 200, 60  # what is looked at
_IDENTIFIER = re.compile(r"[^\W\d][\w.\- /()\[\]%#:?°€$&']{0,39}")
_SENTENCE = re.compile(r"[!。！，,;；]|\.\s*$|\?\s*\S|\S{3,}\?$")

Records = Sequence[Sequence[Any]]


def looks_like_header(records: Records) -> bool:
    """Whether the first record names the columns rather than being one of the others."""
    return header_score(records) > 0


def header_score(records: Records) -> float:
    """How much speaks for the first record as names: known names, short words above numbers or long texts, nothing
    that comes back as an everyday value of its column."""
    first = [_text(cell) for cell in records[0][:_MOST_COLUMNS]]
    filled = [cell for cell in first if cell]
    if not filled:
        return -9.0
    body = [[_text(cell) for cell in record[:_MOST_COLUMNS]] for record in records[1 : _LOOK_AT + 1]]
    again = body.count(first)
    if len(filled) > 1 and (again * 10 <= len(body) or any(map(_is_known, filled)) or _are_names(filled)):
        # Files put together: the header comes again.
        body = [row for row in body if row != first]
    columns = [[r[i] for r in body if i < len(r) and r[i]] for i in range(len(first))]
    score = sum(_cell_score(cell, column) for cell, column in zip(first, columns, strict=True) if cell)
    if _are_names(filled):
        score += 2.0
    if not body:
        return score if all(map(_is_identifier, filled)) else -1.0
    repeated = [name for name, count in Counter(filled).items() if count > 1]
    return score - 1.0 * len(repeated)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _is_identifier(cell: str) -> bool:
    """Written as names are; the marks above and below the letters of Thai or Hindi belong to them."""
    if not cell.isascii():
        cell = "".join(c for c in cell if unicodedata.category(c)[0] != "M")
    return bool(_IDENTIFIER.fullmatch(cell))


def is_sure(records: Records, score: float) -> bool:
    """Whether a header score leaves no question."""
    cells = [_text(cell) for cell in records[0]] if records else []
    strangers = score > 0 and not any(map(_is_known, cells)) and not _are_names([c for c in cells if c])
    return abs(score) >= (SURE_OF_STRANGERS if strangers else SURE)


def _is_known(cell: str) -> bool:
    words = name_words(cell)
    return 1 <= len(words) <= 3 and not _SENTENCE.search(cell) and bool(set(words) & COMMON_COLUMN_WORDS)


def _cell_score(cell: str, column: list[str]) -> float:
    score = 2.5 if _is_known(cell) else -1.0 if len(cell.split()) > 3 else 0.0
    if is_typed(cell_kind(cell)):
        return score + _typed_score(cell, column)
    if _SENTENCE.search(cell) or not _is_identifier(cell) or len(cell.split()) > 5:
        score -= 2.0
    if not column:
        return score + 0.5
    typed = sum(1 for value in column if is_typed(cell_kind(value))) / len(column)
    if typed > 0.8:
        return score + 4.0
    return score + _beside_values(cell, column)


def _typed_score(cell: str, column: list[str]) -> float:
    """A number or a date as a name: rare, and only above values that are none."""
    typed = sum(1 for value in column if is_typed(cell_kind(value)))
    year = bool(re.fullmatch(r"(19|20)\d\d", cell)) and cell not in column
    return -1.0 if year else -4.0 if typed > 0.5 * len(column) else -2.5


def _beside_values(cell: str, column: list[str]) -> float:
    """A short cell among words or texts: does it come back below, is it written like the others?"""
    counts = Counter(column)
    few = len(counts) <= max(2, len(column) // 3)
    if counts[cell]:
        # A label gets a column's own name now and then (spam: spam, ham); most first labels are just labels.
        return -4.0 if few else -2.0
    lengths = sorted(map(len, column))
    typical, short = lengths[len(lengths) // 2], lengths[len(lengths) // 20]
    if few and len(column) >= 6:
        return 2.0 + min(1.0, len(column) / 100)
    if len(cell) < short and len(cell) * 2.5 < typical:
        return 3.5 if len(column) >= 20 and len(cell) * 2 < lengths[0] else 2.5
    if len(cell) * 2 < typical:
        return 1.5
    return 0.5 if "_" in cell or (len(counts) == len(column) and len(cell) < short) else -0.5


def _are_names(first: Sequence[str]) -> bool:
    """Several cells that are nothing but column names, such as question and answer: each alone may be a value."""
    words = [name_words(cell) for cell in first]
    return len(words) > 1 and all(1 <= len(w) <= 2 and set(w) <= COLUMN_WORDS | LANGUAGE_WORDS for w in words)


def num_title_rows(records: Records) -> int:
    """Rows above the header that hold less than a row of it, such as a title or a date: only when a clear header
    follows them, or rows that are wider."""
    widths = [_filled_width(record) for record in records]
    usual = Counter(widths).most_common(1)[0][0] if widths else 0
    for count, record in enumerate(records[: MAX_TITLE_ROWS + 1]):
        filled = sum(1 for cell in record if _text(cell))
        if filled >= max(2, usual - 1) or (count == 0 and usual < 2):
            narrow = all(len(title) < usual for title in records[:count])
            return count if narrow or header_score(records[count:]) > 0 else 0
        if count == 0 and filled >= 2 and widths[0] == usual:
            return 0
    return 0


def _filled_width(record: Sequence[Any]) -> int:
    """The number of cells up to the last filled one."""
    return next((i for i in range(len(record), 0, -1) if _text(record[i - 1])), 0)

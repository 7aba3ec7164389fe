"""Does the first row name the columns, and which names do the columns get?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from core.tasks.reading.column_words import COLUMN_WORDS, COMMON_COLUMN_WORDS, name_words

MAX_TITLE_ROWS = 5
_NUMBER = re.compile(r"[-+]?[\d.,]+%?([eE][-+]?\d+)?")
_IDENTIFIER = re.compile(r"[^\W\d][\w.\- /()]{0,39}")
_SENTENCE = re.compile(r"[?!。？！,，;；]|\.\s*$")


def looks_like_header(records: Sequence[Sequence[Any]]) -> bool:
    """Weighs the first record against the others: known names, identifiers, numbers, values seen again below."""
    first = ["" if c is None else str(c).strip() for c in records[0]]
    if not any(first):
        return False
    body = [["" if c is None else str(c).strip() for c in r] for r in records[1:]]
    if any(_is_known_name(c) for c in first) or _are_names(first):
        return not _seen_below(first, body)
    if any(_NUMBER.fullmatch(c) for c in first) or _seen_below(first, body):
        return False
    if not body:
        return all(_IDENTIFIER.fullmatch(c) for c in first if c)
    score = 0
    for index, cell in enumerate(first):
        column = [r[index] for r in body if index < len(r) and r[index]]
        score += _cell_score(cell, column)
    return score > 0


def num_title_rows(records: Sequence[Sequence[Any]]) -> int:
    """Rows above the header that hold one cell each, such as a title: only when a clear header follows them."""
    for count, record in enumerate(records[: MAX_TITLE_ROWS + 1]):
        filled = sum(1 for c in record if c is not None and str(c).strip())
        if filled >= 2:
            clear = count > 0 and filled == len(record) and looks_like_header(records[count:])
            return count if clear else 0
    return 0


def _is_known_name(cell: str) -> bool:
    words = name_words(cell)
    return 1 <= len(words) <= 3 and not _SENTENCE.search(cell) and bool(set(words) & COMMON_COLUMN_WORDS)


def _are_names(first: Sequence[str]) -> bool:
    """Several cells that are nothing but column names, such as question and answer: each alone may be a value."""
    words = [name_words(cell) for cell in first if cell]
    return len(words) > 1 and all(1 <= len(w) <= 2 and set(w) <= COLUMN_WORDS for w in words)


def _cell_score(cell: str, column: list[str]) -> int:
    if not cell:
        return 0
    if _SENTENCE.search(cell) or not _IDENTIFIER.fullmatch(cell) or len(cell.split()) > 4:
        return -1
    if not column:
        return 1
    numeric = sum(1 for v in column if _NUMBER.fullmatch(v)) / len(column)
    if numeric > 0.8:
        return 2
    typical = sorted(len(v) for v in column)[len(column) // 2]
    return 1 if len(cell) < typical / 2 or "_" in cell else 0


def _seen_below(first: list[str], body: list[list[str]]) -> bool:
    """A first-row cell that comes back as a repeated value of its column is a value, not a name."""
    for index, cell in enumerate(first):
        column = Counter(r[index] for r in body if index < len(r))
        if cell and column[cell] >= 1 and len(column) <= max(2, len(body) // 2):
            return True
    return False

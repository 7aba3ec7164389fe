"""Two header rows: groups above the columns' own names, joined as 'Result / label'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from core.tasks.reading.column_words import COLUMN_WORDS, name_words
from core.tasks.reading.header import looks_like_header

JOIN = " / "


def join_header_rows(records: Sequence[Sequence[Any]]) -> tuple[list[str], int]:
    """The joined names and 2, when the first two records are both header rows; else ([], 0).

    The first row must repeat a name over neighbouring columns, or leave gaps after one, and the second must name
    every column of the rows below, but for those with a name of their own above; below must stand no header.
    """
    if len(records) < 3 or len(records[1]) != Counter(map(len, records[2:])).most_common(1)[0][0]:
        return [], 0
    above = ["" if c is None else str(c).strip() for c in records[0]]
    names = ["" if c is None else str(c).strip() for c in records[1]]
    above += [""] * (len(names) - len(above))
    # A column merged over both rows has its name above and nothing below: that is its whole name.
    lone = [bool(cell) and not after and above.count(cell) == 1 for cell, after in zip(above, names, strict=False)]
    names = [cell if alone else name for cell, name, alone in zip(above, names, lone, strict=False)]
    if len(above) > len(names) or not all(names) or not all(_is_name(n) for n in names) or not _are_groups(above):
        return [], 0
    groups = _spread(above)
    joined = [
        name if not group or group == name else f"{group}{JOIN}{name}"
        for group, name in zip(groups, names, strict=True)
    ]
    # Joined names that clash would hide a column behind another.
    if len(set(joined)) < len(joined) or not looks_like_header([names, *records[2:]]):
        return [], 0
    return joined, 2


def own_name(column: str) -> str:
    """The column's name without its group's: 'Result / label' is a label; 'Result / 2024' is still a result."""
    group, _, own = column.rpartition(JOIN)
    known = set(name_words(own)) & COLUMN_WORDS
    # A year or a site tells nothing of a column's role; then the group's name speaks for it.
    return own if group and (known or not set(name_words(group)) & COLUMN_WORDS) else column


def _are_groups(cells: Sequence[str]) -> bool:
    """Fewer names than columns, each over neighbours; one alone over all of them is a title."""
    found = [c for c in cells if c]
    if not found or not all(_is_name(c) for c in found):
        return False
    spread = _spread(cells)
    starts = [c for i, c in enumerate(spread) if c and (i == 0 or spread[i - 1] != c)]
    return 1 < len(starts) < len([c for c in spread if c]) and len(set(starts)) == len(starts)


def _spread(cells: Sequence[str]) -> list[str]:
    """A group's name stands over the empty cells to its right too, as an unmerged header leaves them."""
    spread: list[str] = []
    for cell in cells:
        spread.append(cell or (spread[-1] if spread else ""))
    return spread


def _is_name(cell: str) -> bool:
    return len(cell) <= 60 and not cell.replace(".", "").replace(",", "").isdigit() and len(cell.split()) <= 6

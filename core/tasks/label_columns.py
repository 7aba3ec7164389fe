"""Labels in columns of their own: each answer column is a label, and its cell says whether the label holds.

toxic | insult        with FLAGS (1 and 0, yes and no) a row without any label is 'none', one of empty cells only
1     | 0             has no answer; with TICKS (a mark or nothing) empty cells say no.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from core.tasks.cell_text import EMPTY_LIST, FLAGS, LABEL_JOIN, TICKS, target_text

IN_COLUMNS = (FLAGS, TICKS)
_YES = "1 true t yes y x ✓ ✔ ☑ ja j oui si sí sì s sim да wahr vrai verdadero vero tak 是 有 √ 对"
_NO = "0 false f no n - nein non não nao нет falsch faux falso nie 否 无 × 错"
YES, NO = frozenset(_YES.split()), frozenset(_NO.split())
_START = re.compile(r"^.*[\s_./:|-]")


def says_yes(value: Any) -> bool | None:
    """Whether a cell says that its label holds; None for anything else, '' among it."""
    text = target_text(value).casefold()
    text = text[:-2] if text in ("1.0", "0.0") else text
    return True if text in YES else False if text in NO else None


@lru_cache(maxsize=64)
def column_labels(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The label that each column stands for: its name without what all begin with ('topic_sport' -> 'sport')."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*columns, strict=False))
    shared = _START.match("".join(letters[0] for letters in alike))
    start = len(shared.group()) if shared else 0
    return tuple(column[start:].strip() for column in columns)


def read_columns(columns: tuple[str, ...], row: Mapping[str, Any], marks: str, names: Mapping[str, str]) -> str:
    """The labels that hold, joined; '' where a cell says neither yes nor no."""
    cells = [row.get(column) for column in columns]
    empty = [not target_text(cell) for cell in cells]
    said = [False if blank and (marks == TICKS or not all(empty)) else says_yes(cell)
            for cell, blank in zip(cells, empty, strict=True)]  # fmt: skip
    if None in said:
        return ""
    held = [label for label, holds in zip(column_labels(columns), said, strict=True) if holds]
    return LABEL_JOIN.join(names.get(label, label) for label in held) or EMPTY_LIST


def write_columns(columns: tuple[str, ...], answer: str, marks: str, names: Mapping[str, str]) -> dict[str, str]:
    """The inverse of `read_columns`: the cells of a row with this answer, whose labels are called by `names`. Where
    several columns have one name, those that bring the labels in the answer's order.

    Raises:
        ValueError: a label that has no column, as its only argument.
    """
    named = [names.get(label, label) for label in column_labels(columns)]
    labels = [label for part in answer.split(LABEL_JOIN.strip()) if (label := part.strip())]
    strange = set(labels) - {*named, EMPTY_LIST}
    if strange:
        raise ValueError(", ".join(sorted(strange)))
    places, held, next_one = range(len(columns)), set[int](), 0
    for label in labels:
        onwards = (*places[next_one:], *places[:next_one])
        found = next((i for i in onwards if named[i] == label and i not in held), None)
        if found is not None:  # 'none', and a label that is named twice, have none
            held.add(found)
            next_one = found + 1
    yes, no = ("x", "") if marks == TICKS else ("1", "0")
    return {column: yes if i in held else no for i, column in enumerate(columns)}


def column_marks(values: Sequence[Sequence[Any]]) -> str:
    """FLAGS or TICKS for the cells of two or more columns that say which labels hold, '' for others.

    Args:
        values: the cells of each column.
    """
    if len(values) < 2:
        return ""
    said = [{says_yes(v) for v in column if target_text(v)} for column in values]
    # Two columns must say yes somewhere: one may be a flag beside the answer.
    if any(None in kinds for kinds in said) or sum(1 for kinds in said if True in kinds) < 2:
        return ""
    # Zeros where nothing holds: then an empty cell is a gap, not a no.
    if all(False in kinds for kinds in said if True in kinds):
        return FLAGS
    # Ticks: yes or nothing. Filled throughout, they would be columns of one value.
    blank = all(any(not target_text(v) for v in column) for column in values)
    return TICKS if blank and not any(False in kinds for kinds in said) else ""

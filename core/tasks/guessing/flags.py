"""Answer columns that are labels themselves: found among all columns, with the kind of task that they make."""

from __future__ import annotations

from collections.abc import Sequence

from core.tasks.guessing.candidates import NAMED, can_answer, input_word_score, target_word_score
from core.tasks.guessing.profile import ColumnProfile, sample_rows
from core.tasks.label_columns import column_marks, says_yes
from core.tasks.reading.table import Table

_SURE = 3  # columns; two may be answers of their own


def find_flags(profiles: Sequence[ColumnProfile], table: Table) -> tuple[tuple[str, ...], bool]:
    """The columns that say which labels a row has, and whether nothing else may be the answer.

    They stand beside something to read; none alone, and no other column, is called the answer.
    """
    rows = sample_rows(table)
    flags = [p for p in profiles if _says_yes_or_no(p) and input_word_score(p) < NAMED]
    rest = [p for p in profiles if p not in flags]
    # All of them must speak one language of marks; a single column of yes and no is a label, not a flag.
    if not column_marks([[row.get(p.name) for row in rows] for p in flags]):
        return (), False
    readable = [p for p in rest if not p.is_numbering and not p.is_constant and p.typical_words >= 1]
    named = [p for p in flags if target_word_score(p) > NAMED]
    # One alone that is called the answer is it, and the others are facts about the row.
    if not readable or len(named) == 1 or any(target_word_score(p) > NAMED for p in rest):
        return (), False
    others = [p for p in rest if p.is_repeated and can_answer(p, profiles)]
    return tuple(p.name for p in flags), len(flags) >= _SURE and not others


def flag_kind(columns: Sequence[str], table: Table) -> tuple[str, str]:
    """(kind, label marks) of such answer columns: one label a row is a classification; ('', '') for others."""
    rows = sample_rows(table)
    marks = column_marks([[row.get(name) for row in rows] for name in columns])
    if not marks:
        return "", ""
    held = [sum(1 for name in columns if says_yes(row.get(name))) for row in rows]
    return "classification" if all(n == 1 for n in held) else "multilabel", marks


def _says_yes_or_no(p: ColumnProfile) -> bool:
    return bool(p.texts) and all(says_yes(text) is not None for text in set(p.texts))

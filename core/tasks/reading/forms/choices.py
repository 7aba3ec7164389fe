"""Multiple choice: a question, a list of choices, and the right one by number, letter or words.

Choices become lettered lines that are asked with the question; a number becomes its letter.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from core.tasks.reading.column_words import name_words
from core.tasks.reading.forms.base import Form, filled, mostly, number, rebuilt
from core.tasks.reading.table import ProblemLog, Row, Table

LETTERS = "ABCDEFGHIJKLMNOP"
_CHOICES = frozenset(("choices", "options", "candidates", "endings", "alternatives"))
_ANSWERS = frozenset(("answer", "label", "correct", "gold", "target", "answerkey", "key", "solution"))
_QUESTIONS = frozenset(("question", "query", "prompt", "stem", "ctx", "sentence", "goal", "text"))


class _Layout(NamedTuple):
    question: str
    choices: str
    answer: str
    first: int  # what the number of the first choice is; -1 where the answer is no number


def _find(table: Table) -> _Layout | None:
    choices = [
        c for c in table.columns if set(name_words(c)) & _CHOICES and mostly(filled(table, c), _is_list, 1.0)
    ]
    questions = [c for c in table.columns if set(name_words(c)) & _QUESTIONS and c not in choices]
    if not choices or not questions:
        return None
    column = choices[0]
    for answer in table.columns:
        if answer != column and answer not in questions and set(name_words(answer)) & _ANSWERS:
            pairs = [(row[column], row.get(answer)) for row in table.rows[:2000] if _is_list(row.get(column))]
            first = _first_number(pairs)
            if first >= 0 or mostly(pairs, lambda pair: _is_letter_or_choice(*pair), 1.0):
                return _Layout(questions[0], column, answer, first)
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and 2 <= len(value) <= len(LETTERS) and all(isinstance(v, str) for v in value)


def _first_number(pairs: list[tuple[Any, Any]]) -> int:
    """0 or 1 where all answers are numbers of choices, counted from there; -1 where they are not."""
    found = [(len(choices), number(answer)) for choices, answer in pairs]
    if not found or any(n is None for _, n in found):
        return -1
    if all(0 <= (n or 0) < size for size, n in found):
        return 0
    return 1 if all(1 <= (n or 0) <= size for size, n in found) else -1


def _is_letter_or_choice(choices: Any, answer: Any) -> bool:
    text = str(answer).strip()
    return text in choices or (len(text) == 1 and text.upper() in LETTERS[: len(choices)])


def _unfold(table: Table, layout: _Layout, log: ProblemLog) -> Table:
    rows: list[Row] = []
    for row in table.rows:
        choices = row.get(layout.choices)
        if not _is_list(choices):
            rows.append(row)
            continue
        lines = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, choices or (), strict=False))
        answer = row.get(layout.answer)
        place = number(answer) if layout.first >= 0 else None
        named = answer if place is None else LETTERS[place - layout.first]
        rows.append({**row, layout.choices: lines, layout.answer: named})
    key = "form.choices" if layout.first < 0 else "form.choices_numbered"
    log.tell(key, choices=layout.choices, answer=layout.answer, rows=len(rows))
    found = rebuilt(table, table.columns, rows, list(table.lines))
    return replace(found, inputs=(layout.question, layout.choices), targets=(layout.answer,))


FORM = Form("choices", _find, _unfold)

"""SQuAD: articles with paragraphs with questions, and its flat table (context, question, answers.text).

A question with several answers keeps the first (they are what several people marked); one without keeps "none".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from core.tasks.cell_text import input_text
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.table import ProblemLog, Row, Table

_COLUMNS = ("title", "context", "question", "answer", "id")
NO_ANSWER: list[str] = []  # a list without items is written as "none"


class _Layout(NamedTuple):
    """Where the questions are: nested in `nested` (paragraphs or qas), or flat with `answers`."""

    nested: str
    answers: str


def _find(table: Table) -> _Layout | None:
    for column in ("paragraphs", "qas"):
        if column in table.columns and mostly(filled(table, column), _holds_questions):
            return _Layout(column, "")
    flat = next((c for c in ("answers.text", "answers") if c in table.columns), None)
    if flat is not None and {"context", "question"} <= set(table.columns):
        values = filled(table, flat)
        if mostly(values, lambda value: isinstance(value, list)):
            return _Layout("", flat)
    return None


def _holds_questions(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        return False
    return all("qas" in item or "question" in item for item in value)


def _unfold(table: Table, layout: _Layout, log: ProblemLog) -> Table:
    rows: list[Row] = []
    lines: list[int] = []
    several = unanswered = 0
    for row, line in zip(table.rows, table.lines, strict=True):
        for one, answers in _flat(row, layout) if layout.answers else _nested(row, layout.nested):
            found = [text for answer in answers if (text := _answer_text(answer)).strip()]
            several += len(set(found)) > 1
            unanswered += not found
            rows.append({**one, "answer": found[0] if found else list(NO_ANSWER)})
            lines.append(line)
    if not rows:
        return table
    log.tell("form.squad", rows=len(rows))
    if several:
        log.tell("form.several_answers", count=several)
    if unanswered:
        log.tell("form.no_answer", count=unanswered)
    used = [c for c in _COLUMNS if any(row.get(c) not in (None, "") for row in rows)]
    others = [c for c in rows[0] if c not in _COLUMNS and any(row.get(c) not in (None, "") for row in rows)]
    return rebuilt(table, [*used, *others], rows, lines, "answer", ("context", "question"))


def _nested(row: Row, column: str) -> Iterator[tuple[Row, list[Any]]]:
    for part in row.get(column) or ():
        if not isinstance(part, dict):
            continue
        context = part.get("context") or row.get("context")
        for item in part["qas"] if isinstance(part.get("qas"), list) else [part]:
            if isinstance(item, dict) and item.get("question"):
                named = {"title": row.get("title"), "context": context, "question": item["question"]}
                yield {**named, "id": item.get("id")}, _answers_of(item)


def _answers_of(item: dict[str, Any]) -> list[Any]:
    """Nothing where the question is marked as impossible; its plausible answers are none."""
    if str(item.get("is_impossible", "")).lower() == "true":
        return []
    found = item.get("answers", item.get("answer"))
    if isinstance(found, dict):
        found = found.get("text")
    return found if isinstance(found, list) else [] if found is None else [found]


def _flat(row: Row, layout: _Layout) -> Iterator[tuple[Row, list[Any]]]:
    rest = {c: v for c, v in row.items() if not c.startswith("answers")}
    yield rest, row.get(layout.answers) or []


def _answer_text(answer: Any) -> str:
    return input_text(answer.get("text") if isinstance(answer, dict) else answer)


FORM = Form("squad", _find, _unfold)

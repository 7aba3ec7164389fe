"""Answers with a verdict: prompt, completion and a true or false label (KTO), or several answers with their scores.

The answers that were judged good are practised; practising bad ones would teach them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from core.tasks.reading.forms.base import Form, mostly, rebuilt
from core.tasks.reading.table import ProblemLog, Row, Table

_PROMPTS = ("prompt", "question", "instruction", "query", "input")
_ANSWERS = ("completion", "response", "answer", "output")
_LISTS = ("responses", "completions", "answers", "candidates", "outputs")
_SCORES = ("scores", "ratings", "rewards", "ranks", "rank", "score", "rating")
_TRUE = "true"


class _Layout(NamedTuple):
    prompt: str
    answer: str
    verdict: str
    is_list: bool


def _find(table: Table) -> _Layout | None:
    names = {column.lower(): column for column in table.columns}
    prompt = next((names[n] for n in _PROMPTS if n in names), None)
    if prompt is None:
        return None
    answer = next((names[n] for n in _ANSWERS if n in names), None)
    # Few columns: in a wide table a true-or-false label is more likely the answer itself.
    if answer is not None and "label" in names and len(table.columns) <= 4:
        verdicts = {_word(v) for v in _all(table, names["label"])}
        if verdicts == {"true", "false"}:
            return _Layout(prompt, answer, names["label"], False)
    answers, scores = (next((names[n] for n in words if n in names), None) for words in (_LISTS, _SCORES))
    if answers is None or scores is None:
        return None
    pairs = [(row.get(answers), row.get(scores)) for row in table.rows[:50]]
    if mostly(pairs, lambda pair: _are_scored(*pair)):
        return _Layout(prompt, answers, scores, True)
    return None


def _all(table: Table, column: str) -> list[Any]:
    return [row.get(column) for row in table.rows[:2000] if row.get(column) is not None]


def _word(value: Any) -> str:
    return str(value).strip().lower()


def _are_scored(answers: Any, scores: Any) -> bool:
    if not isinstance(answers, list) or not isinstance(scores, list) or not len(answers) == len(scores) > 1:
        return False
    return all(isinstance(a, str) for a in answers) and all(_score(s) is not None for s in scores)


def _score(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _unfold(table: Table, layout: _Layout, log: ProblemLog) -> Table:
    rows: list[Row] = []
    lines: list[int] = []
    # Ranks count from the best, scores towards it.
    lowest_first = "rank" in layout.verdict.lower()
    for row, line in zip(table.rows, table.lines, strict=True):
        answer = _best(row, layout, lowest_first) if layout.is_list else _good(row, layout)
        if answer is not None:
            rows.append({**row, layout.answer: answer})
            lines.append(line)
    if not rows:
        return table
    key = "form.ranked" if layout.is_list else "form.judged"
    left_out = len(table.rows) - len(rows)
    log.add(key, "warning", answer=layout.answer, verdict=layout.verdict, rows=len(rows), left_out=left_out)
    columns = [c for c in table.columns if c != layout.verdict]
    return rebuilt(table, columns, rows, lines, layout.answer, (layout.prompt,))


def _good(row: Row, layout: _Layout) -> Any:
    return row.get(layout.answer) if _word(row.get(layout.verdict)) == _TRUE else None


def _best(row: Row, layout: _Layout, lowest_first: bool) -> Any:
    answers, scores = row.get(layout.answer), row.get(layout.verdict)
    if not _are_scored(answers, scores):
        return None
    order = sorted(zip(scores or (), answers or (), strict=True), key=lambda pair: _score(pair[0]) or 0.0)
    return order[0][1] if lowest_first else order[-1][1]


FORM = Form("judged", _find, _unfold)

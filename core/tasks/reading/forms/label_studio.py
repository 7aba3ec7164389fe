"""Label Studio's JSON export: tasks with annotations; every control (choices, labels, text) becomes a column."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from core.tasks.cell_text import input_text
from core.tasks.reading.forms.base import Form, filled, mostly, rebuilt
from core.tasks.reading.forms.spans import span_of
from core.tasks.reading.table import ProblemLog, Row, Table

_ANNOTATIONS = ("annotations", "completions")
_DATA = "data."
_VALUES = ("choices", "taxonomy", "rating", "number", "text", "datetime", "ranker")


class _Read(NamedTuple):
    """One task's answers by control; `several`: its annotators differ."""

    answers: dict[str, Any]
    several: bool


def _find(table: Table) -> str | None:
    for column in _ANNOTATIONS:
        values = filled(table, column)
        has_data = column in table.columns and any(c.startswith(_DATA) for c in table.columns)
        if has_data and (not values or mostly(values, _is_annotations)):
            return column
    return None


def _is_annotations(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "result" in item for item in value)


def _unfold(table: Table, column: str, log: ProblemLog) -> Table:
    data = {c: c[len(_DATA) :] for c in table.columns if c.startswith(_DATA)}
    rows: list[Row] = []
    lines: list[int] = []
    controls: dict[str, None] = {}
    empty = several = 0
    for row, line in zip(table.rows, table.lines, strict=True):
        read = _read(row.get(column), {name: row.get(c) for c, name in data.items()})
        if read is None:
            empty += 1
            continue
        several += read.several
        controls.update(dict.fromkeys(read.answers))
        rows.append({**{name: row.get(c) for c, name in data.items()}, **read.answers})
        lines.append(line)
    if not rows:
        log.add("form.label_studio_empty", "warning", count=empty)
        return table
    for control in controls:
        _flatten_single(rows, control)
    log.tell("form.label_studio", rows=len(rows), controls=", ".join(controls))
    if empty:
        log.add("form.label_studio_empty", "warning", count=empty)
    if several:
        log.add("form.label_studio_several", "warning", count=several)
    names = [name for name in data.values() if name not in controls]
    return rebuilt(table, [*names, *controls], rows, lines)


def _read(value: Any, data: Row) -> _Read | None:
    """The first annotation that was not cancelled; None where there is none."""
    kept = [a for a in value or () if isinstance(a, dict) and not a.get("was_cancelled")]
    found = [_answers_of(a.get("result"), data) for a in kept]
    if not found:
        return None
    return _Read(found[0], any(_key(other) != _key(found[0]) for other in found[1:]))


def _key(answers: dict[str, Any]) -> str:
    return json.dumps(answers, sort_keys=True, ensure_ascii=False, default=str)


def _answers_of(results: Any, data: Row) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for result in results if isinstance(results, list) else ():
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict):
            continue
        name = str(result.get("from_name") or result.get("type") or "answer")
        if "start" in value and "end" in value:
            answers.setdefault(name, []).append(_span_text(value, str(result.get("type", "")), data))
        else:
            kind = next((k for k in _VALUES if k in value), None)
            found = value[kind] if kind else None
            answers.setdefault(name, [])
            answers[name] += (
                _flat(found) if isinstance(found, list) else [] if found is None else [input_text(found)]
            )
    return answers


def _flat(found: list[Any]) -> list[str]:
    """Choices as they are; a taxonomy's path as one label."""
    return [" / ".join(map(input_text, item)) if isinstance(item, list) else input_text(item) for item in found]


def _span_text(value: dict[str, Any], kind: str, data: Row) -> str:
    labels = value.get(kind) or value.get("labels") or value.get("hypertextlabels") or []
    span = span_of({**value, "labels": labels if labels else ["?"]})
    words = input_text(value.get("text"))
    if not words and span is not None:
        longest = max((input_text(v) for v in data.values()), key=len, default="")
        words = longest[span.start : span.end]
    return f"{', '.join(map(str, labels))}: {words.strip()}"


def _flatten_single(rows: list[Row], control: str) -> None:
    """A control with one answer everywhere is a label, not a list."""
    if all(len(row.get(control) or ()) <= 1 for row in rows) and not any(
        ": " in str(row.get(control)) for row in rows
    ):
        for row in rows:
            row[control] = (row.get(control) or [None])[0]
    else:
        for row in rows:
            row[control] = row.get(control) or []


FORM = Form("label_studio", _find, _unfold)

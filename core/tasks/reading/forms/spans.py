"""Marked places of a text (Doccano, Prodigy, spaCy, Rasa): [start, end, label] become "label: words"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from core.tasks.reading.forms.base import Form, filled, mostly, number
from core.tasks.reading.table import ProblemLog, Table

_START = ("start", "start_offset", "begin", "start_char", "startOffset", "from")
_END = ("end", "end_offset", "stop", "end_char", "endOffset", "to")
_LABEL = ("label", "labels", "entity", "type", "entity_type", "entity_group", "tag", "category", "name")
_WORDS = ("text", "value", "word", "mention", "surface")
_LISTED = 5


class Span(NamedTuple):
    start: int
    end: int
    label: str
    words: str | None


class _Layout(NamedTuple):
    column: str
    text: str
    inclusive: bool  # the end is the last character, not the one after it


def span_of(item: Any) -> Span | None:
    """A marked place as any of these programs writes it; None for anything else."""
    if isinstance(item, dict):
        start, end = (number(_first(item, names)) for names in (_START, _END))
        label, words = _first(item, _LABEL), _first(item, _WORDS)
    elif isinstance(item, list | tuple) and len(item) >= 3:
        start, end, label, words = number(item[0]), number(item[1]), item[2], None
    else:
        return None
    label = label[0] if isinstance(label, list) and label else label  # Label Studio lists even a single one
    if start is None or end is None or not isinstance(label, str) or start < 0 or end < start:
        return None
    return Span(start, end, label, words if isinstance(words, str) else None)


def _first(item: dict[str, Any], names: Sequence[str]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _find(table: Table) -> _Layout | None:
    for column in table.columns:
        values = filled(table, column)
        if values and mostly(values, _is_spans, 1.0):
            text = _text_column(table, column)
            if text is not None:
                return _Layout(column, text, _is_inclusive(table, column, text))
    return None


def _is_spans(value: Any) -> bool:
    return isinstance(value, list) and all(span_of(item) is not None for item in value)


def _text_column(table: Table, column: str) -> str | None:
    """The column of texts that all places fall into."""
    rows = [row for row in table.rows if row.get(column)][:50]
    for name in table.columns:
        texts = [text for row in rows if isinstance(text := row.get(name), str)]
        if name != column and len(texts) == len(rows):
            # Offsets tell which text they belong to: in a shorter column some would lie outside.
            ends = [max(s.end for item in row[column] if (s := span_of(item))) for row in rows]
            if all(end <= len(text) for end, text in zip(ends, texts, strict=True)):
                return name
    return None


def _is_inclusive(table: Table, column: str, text: str) -> bool:
    """Whether ends point at the last character: then words are cut in their middle when read the usual way."""
    usual = other = 0
    for row in [row for row in table.rows if row.get(column)][:50]:
        for item in row[column]:
            span, whole = span_of(item), row[text]
            if span is None:
                continue
            if span.words is not None:
                usual += whole[span.start : span.end] == span.words
                other += whole[span.start : span.end + 1] == span.words
            else:
                usual += _ends_word(whole, span.end)
                other += _ends_word(whole, span.end + 1)
    # A last letter that stands twice fits both ways, so one reading has to win clearly.
    return other > 2 * usual


def _ends_word(text: str, end: int) -> bool:
    return 0 < end <= len(text) and text[end - 1].isalnum() and not (end < len(text) and text[end].isalnum())


def _unfold(table: Table, layout: _Layout, log: ProblemLog) -> Table:
    rows = []
    outside: list[int] = []
    for row, line in zip(table.rows, table.lines, strict=True):
        found, missed = _named(row.get(layout.column), str(row.get(layout.text) or ""), layout.inclusive)
        outside += [line] * missed
        rows.append({**row, layout.column: found})
    log.tell("form.spans", column=layout.column, text=layout.text)
    if layout.inclusive:
        log.tell("form.inclusive_ends", column=layout.column)
    if outside:
        some = ", ".join(map(str, outside[:_LISTED]))
        log.add("form.outside", "warning", column=layout.column, count=len(outside), lines=some)
    return replace(table, rows=rows)


def _named(value: Any, text: str, inclusive: bool) -> tuple[list[str], int]:
    """ "label: words" in the order of the text, and how many places lie outside of it."""
    spans = [span for item in value or () if (span := span_of(item))]
    inside = [span for span in spans if span.end <= len(text)]
    named = []
    for span in sorted(inside, key=lambda s: (s.start, s.end)):
        words = text[span.start : span.end + inclusive].strip() or (span.words or "")
        named.append(f"{span.label}: {words}")
    return named, len(spans) - len(inside)


FORM = Form("spans", _find, _unfold)

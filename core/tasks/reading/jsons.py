"""json (an array, one object with rows somewhere in it) and jsonl.

Nested objects become a.b columns. Numbers stay as they are written (1.0 is not 1), NaN and null are empty.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.reading.forms.turns import parse_turns
from core.tasks.reading.json_rows import JsonRows
from core.tasks.reading.json_shapes import Shape, at_path, find_shape
from core.tasks.reading.json_text import Item, JsonText, find_array, skip_space
from core.tasks.reading.limits import MAX_JSON_BYTES
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.split_parts import join_parts
from core.tasks.reading.table import ProblemLog, Table
from core.tasks.reading.text_encoding import Source, detect_encoding, read_text, tell_encoding

_COMMENT = re.compile(r"[ \t]*(?:(?://|#)[^\n]*\n|/\*.*?\*/)", re.DOTALL)
PART = "part"


def read_jsonl(source: Source, options: ReadOptions, log: ProblemLog) -> Table:
    """One object a line. A bad line is noted with its column, the others are kept."""
    source = detect_encoding(source, options.encoding)
    tell_encoding(source, log)
    return _from_lines(source, options, log)


def read_json(source: Source, options: ReadOptions, log: ProblemLog) -> Table:
    """A whole JSON value; where it turns out to be one object a line, it is read as such."""
    source = detect_encoding(source, options.encoding)
    tell_encoding(source, log)
    text = read_text(source, log, MAX_JSON_BYTES)
    start = skip_space(text, 1 if text.startswith("\ufeff") else 0)
    while comment := _COMMENT.match(text, start):
        line = text.count("\n", 0, start) + 1
        log.add("file.title_row", "warning", line=line, text=comment[0].strip()[:80])
        start = skip_space(text, comment.end())
    if start == len(text):
        raise TaskFileError("file.empty", file=log.file)
    parser = JsonText(log)
    if text[start] in "[{" and _is_one_value_a_line(text, start):
        log.add("file.json_is_jsonl", "warning")
        return _from_lines(source, options, log)
    if text[start] == "[":
        table = _table(_unless_one_conversation(parser.array(text, start)), source, options, log)
        rest = skip_space(text, parser.array_end)
        if not table.truncated and rest < len(text):
            raise parser.bad(text, rest, "extra text after the value")
    elif text[start] == "{":
        table = _from_object(parser, text, start, source, options)
    else:
        raise parser.bad(text, start, "a [ or { is expected")
    parser.tell()
    return replace(table, problems=log.finish())


def _from_lines(source: Source, options: ReadOptions, log: ProblemLog) -> Table:
    parser = JsonText(log)
    table = _table(parser.lines(source), source, options, log)
    parser.tell()
    return replace(table, format="jsonl", problems=log.finish())


def _table(items: Iterable[Item], source: Source, options: ReadOptions, log: ProblemLog) -> Table:
    return JsonRows(log, options).table(items, source.encoding)


def _unless_one_conversation(items: Iterator[Item]) -> Iterator[Item]:
    """An array of turns is one conversation, not a table of turns."""
    first = list(itertools.islice(items, 2))
    if first and all(isinstance(item, dict) and len(item) <= 3 and parse_turns([item]) for _, item in first):
        turns = [item for _, item in itertools.chain(first, items)]
        return iter([(first[0][0], {"messages": turns})])
    return itertools.chain(first, items)


def _is_one_value_a_line(text: str, start: int) -> bool:
    """Whether the first line holds a whole object (or list), and the next begins another one."""
    first = text.find("\n", start)
    after = skip_space(text, first) if first >= 0 else len(text)
    if after >= len(text) or text[after] != text[start]:
        return False
    try:
        return isinstance(json.loads(text[start:first]), dict | list)
    except (json.JSONDecodeError, RecursionError):
        return False


def _from_object(parser: JsonText, text: str, start: int, source: Source, options: ReadOptions) -> Table:
    """The rows of one object, all of them or with what is left named."""
    log = parser.log
    value, end = parser.value(text, start)
    rest = skip_space(text, end)
    if rest < len(text):
        raise parser.bad(text, rest, "extra text after the value")
    if any(parse_turns(inner) for inner in value.values() if isinstance(inner, list)):
        return _table([(1, value)], source, options, log)
    shape = find_shape(value)
    if shape is None:
        raise TaskFileError("file.json_no_rows", file=log.file, keys=", ".join(list(value)[:8]))
    if shape.form:
        log.tell(shape.form, count=len(shape.rows))
    if shape.left:
        log.add("file.lists_left", "warning", lists=", ".join(f"{k} ({n})" for k, n in shape.left.items()))
    if shape.rows:
        return _table(((1, row) for row in shape.rows), source, options, log)
    twice = parser.twice.copy()
    tables = [(name, _table(_items_at(parser, text, start, value, path), source, options, log))
              for name, path in shape.arrays]  # fmt: skip
    parser.twice = twice  # arrays are read a second time, for their lines
    return _joined(shape, tables, log)


def _items_at(
    parser: JsonText, text: str, start: int, value: dict[str, Any], path: tuple[str, ...]
) -> Iterable[Item]:
    found = at_path(value, path)
    if isinstance(found, dict):  # columns of lists inside a split
        inner = find_shape(found)
        return ((1, row) for row in (inner.rows if inner else ()))
    index = find_array(text, start, path)
    return parser.array(text, index) if index is not None else ((1, row) for row in found)


def _joined(shape: Shape, tables: list[tuple[str, Table]], log: ProblemLog) -> Table:
    if len(tables) == 1:
        return tables[0][1]
    if shape.is_split:
        return join_parts(tables, log)
    joined = join_parts(tables, log, PART)
    return replace(joined, split_column="")

"""json (an array, one object with an array, objects by id, columns of lists) and jsonl.

Nested objects become a.b columns. Numbers stay as they are written (1.0 is not 1), NaN and null are empty.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from core.base.errors import TaskFileError
from core.messages.details import plain_detail
from core.tasks.reading.limits import MAX_COLUMNS, MAX_JSON_BYTES, MAX_JSON_DEPTH, MAX_RAW_CHARS
from core.tasks.reading.table import (
    ProblemLog,
    ReadOptions,
    Row,
    Table,
    check_cells,
    clean_columns,
    quote_row,
    require_rows,
)
from core.tasks.reading.text_encoding import Source, detect_encoding, read_lines, read_text

_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=lambda _: None)

Item = tuple[int, Any]


def read_jsonl(source: Source, options: ReadOptions, log: ProblemLog) -> Table:
    """One object a line. A bad line is noted with its column, the others are kept."""
    source = detect_encoding(source, options.encoding)
    return _table(_lines_as_items(source, log), "jsonl", source, options, log)


def read_json(source: Source, options: ReadOptions, log: ProblemLog) -> Table:
    """A whole JSON value; where it turns out to be one object a line, it is read as such."""
    source = detect_encoding(source, options.encoding)
    text = read_text(source, log, MAX_JSON_BYTES)
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    if start == len(text):
        raise TaskFileError("file.empty", file=log.file)
    if text[start] == "[":
        items: Iterable[Item] = _array_items(text, start, log)
    elif text[start] == "{":
        if _is_one_object_a_line(text, start):
            log.add("file.json_is_jsonl", "warning")
            return _table(_lines_as_items(source, log), "jsonl", source, options, log)
        items = _object_items(text, start, log)
    else:
        raise _bad(text, start, "a [ or { is expected", log)
    return _table(items, "json", source, options, log)


def _lines_as_items(source: Source, log: ProblemLog) -> Iterator[Item]:
    number = 0
    for number, line in enumerate(read_lines(source, log), start=1):
        stripped = line.strip()
        if not stripped:
            continue
        try:
            yield number, _DECODER.decode(stripped)
        except json.JSONDecodeError as error:
            detail = plain_detail(error.msg)
            log.add("file.bad_json", line=number, column=error.colno, detail=detail, raw=stripped, at=error.pos)
        except RecursionError:
            log.add("file.deep_json", line=number, bound=MAX_JSON_DEPTH, raw=stripped)
    if number == 0:
        raise TaskFileError("file.empty", file=log.file)


def _skip(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return match.end() if match else index


def _bad(text: str, index: int, detail: str, log: ProblemLog) -> TaskFileError:
    line = text.count("\n", 0, index) + 1
    column = index - text.rfind("\n", 0, index)
    begin = max(index - column + 1, index - MAX_RAW_CHARS)
    raw = quote_row(text[begin : index + MAX_RAW_CHARS].partition("\n")[0] or text[begin:index], index - begin)
    return TaskFileError("file.bad_json", file=log.file, line=line, column=column, detail=detail, raw=raw)


def _value(text: str, index: int, log: ProblemLog) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, index)
    except json.JSONDecodeError as error:
        raise _bad(text, error.pos, plain_detail(error.msg), log) from error
    except RecursionError as error:
        line = text.count("\n", 0, index) + 1
        raise TaskFileError("file.deep_json", file=log.file, line=line, bound=MAX_JSON_DEPTH) from error


def _array_items(text: str, index: int, log: ProblemLog) -> Iterator[Item]:
    """Elements of the array that opens at `index`, each with the line it starts on."""
    line, counted = text.count("\n", 0, index) + 1, index
    index = _skip(text, index + 1)
    while index < len(text) and text[index] != "]":
        line += text.count("\n", counted, index)
        counted = index
        value, index = _value(text, index, log)
        yield line, value
        index = _skip(text, index)
        if index < len(text) and text[index] == ",":
            index = _skip(text, index + 1)
        elif index < len(text) and text[index] != "]":
            raise _bad(text, index, "a comma or ] is expected", log)
    if index >= len(text):
        raise _bad(text, len(text) - 1, "the file ends inside the array", log)


def _is_one_object_a_line(text: str, start: int) -> bool:
    first = text.find("\n", start)
    if first < 0 or not text[first:].strip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(text[start:first]), dict)
    except (json.JSONDecodeError, RecursionError):
        return False


def _object_items(text: str, start: int, log: ProblemLog) -> list[Item]:
    """Rows of one object: its longest array of objects, else columns of lists, else objects by their id."""
    value, end = _value(text, start, log)
    rest = _skip(text, end)
    if rest < len(text):
        raise _bad(text, rest, "extra text after the value", log)
    path, array = _longest_array(value)
    if array and isinstance(array[0], dict):
        index = _find_array(text, start, path)
        return list(_array_items(text, index, log)) if index is not None else [(1, row) for row in array]
    lists = {k: v for k, v in value.items() if isinstance(v, list)}
    if lists and len({len(v) for v in lists.values()}) == 1:
        columns = list(lists)
        return [(1, dict(zip(columns, cells, strict=True))) for cells in zip(*lists.values(), strict=True)]
    if value and all(isinstance(v, dict) for v in value.values()):
        return [(1, {"key": k, **v}) for k, v in value.items()]
    raise TaskFileError("file.json_no_rows", file=log.file, keys=", ".join(list(value)[:8]))


def _longest_array(value: dict[str, Any], depth: int = 3) -> tuple[list[str], list[Any]]:
    best: tuple[list[str], list[Any]] = ([], [])
    for key, inner in value.items():
        found: tuple[list[str], list[Any]] = ([], [])
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            found = ([key], inner)
        elif isinstance(inner, dict) and depth > 1 and len(value) <= 50:
            path, array = _longest_array(inner, depth - 1)
            found = ([key, *path], array)
        if len(found[1]) > len(best[1]):
            best = found
    return best


def _find_array(text: str, index: int, path: list[str]) -> int | None:
    """Where the array at the end of a path of keys opens in the text; None when the text is written unusually."""
    for key in path:
        match = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:\s*").search(text, index)
        if match is None:
            return None
        index = match.end()
    return index if text[index : index + 1] == "[" else None


def _table(items: Iterable[Item], name: str, source: Source, options: ReadOptions, log: ProblemLog) -> Table:
    raw: list[Row] = []
    numbers: list[int] = []
    order: dict[str, None] = {}
    truncated = False
    for line, item in items:
        if len(raw) >= options.row_cap:
            truncated = True
            break
        row = _as_row(item, line, log)
        if row is None:
            continue
        order.update(dict.fromkeys(row))
        if len(order) > MAX_COLUMNS:
            raise TaskFileError("file.many_columns", file=log.file, columns=len(order), bound=MAX_COLUMNS)
        raw.append(row)
        numbers.append(line)
    require_rows(raw, log, False)
    columns = clean_columns(order, log)
    rows = [{column: row.get(key) for key, column in zip(order, columns, strict=True)} for row in raw]
    return Table(log.file, name, source.encoding, columns, rows, numbers, log.finish(), truncated=truncated)


def _as_row(item: Any, line: int, log: ProblemLog) -> Row | None:
    if not isinstance(item, dict):
        log.add("file.not_an_object", line=line, found=_json_type(item), raw=item if item is not None else "null")
        return None
    row = flatten_row(item)
    if row is None:
        log.add("file.deep_json", line=line, bound=MAX_JSON_DEPTH, raw=item)
        return None
    return row if row and check_cells(row.values(), line, log) else None


def flatten_row(item: dict[str, Any]) -> Row | None:
    """Nested objects as a.b columns; None when they nest deeper than the cap."""
    row: Row = {}
    return row if _flatten(item, "", row, 0) else None


def _flatten(item: dict[str, Any], prefix: str, row: Row, depth: int) -> bool:
    if depth > MAX_JSON_DEPTH:
        return False
    for key, value in item.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            if not _flatten(value, f"{name}.", row, depth + 1):
                return False
        else:
            row[name] = _without_surrogates(value)
    return True


def _without_surrogates(value: Any) -> Any:
    """Half a surrogate pair (an escape such as \\ud800) cannot be written to any file again."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(v) for v in value]
    return value


def _json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "true, false or null"
    return {"str": "text", "list": "a list"}.get(type(value).__name__, "a number")

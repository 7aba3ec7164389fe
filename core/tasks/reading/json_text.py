"""JSON as text: values with their lines, numbers as they are written, keys that come twice kept apart."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from core.base.errors import TaskFileError
from core.messages.details import plain_detail
from core.tasks.reading.limits import MAX_JSON_DEPTH, MAX_RAW_CHARS
from core.tasks.reading.table import ProblemLog, quote_row
from core.tasks.reading.text_encoding import Source, read_lines

_SPACE = re.compile(r"[ \t\r\n]*")
_PYTHON = re.compile(r"[\[{]\s*[{'\[]")  # how a list or dict begins that Python printed
_MOST_PYTHON_CHARS = 8 << 20

Item = tuple[int, Any]  # the line it starts on, the value


class JsonText:
    """Values of one file; keys twice in one object are counted in `twice`, values of Python in `python`."""

    def __init__(self, log: ProblemLog) -> None:
        self.log = log
        self.twice: Counter[str] = Counter()
        self.python = 0
        self.array_end = 0  # after the array that was read last
        self._decoder = json.JSONDecoder(
            parse_float=str, parse_int=str, parse_constant=lambda _: None, object_pairs_hook=self._object
        )

    def tell(self) -> None:
        """Says what was met on the way, once the values are read."""
        for key, count in self.twice.items():
            self.log.add("file.key_twice", "warning", name=key, new_name=f"{key}_2", count=count)
        if self.python:
            self.log.tell("file.python_values", count=self.python)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        found = {}
        for key, value in pairs:
            name, number = key, 2
            while name in found:
                name, number = f"{key}_{number}", number + 1
            found[name] = value
            if name == f"{key}_2":
                self.twice[key] += 1
        return found

    def lines(self, source: Source) -> Iterator[Item]:
        """One value a line; a bad line is noted and left out."""
        number = 0
        for number, line in enumerate(read_lines(source, self.log), start=1):
            stripped = line.strip()
            if not stripped:
                continue
            try:
                yield number, self._decoder.decode(stripped)
            except json.JSONDecodeError as error:
                value = self._python_value(stripped)
                if value is not None:
                    yield number, value
                    continue
                detail = plain_detail(error.msg)
                self.log.add(
                    "file.bad_json", line=number, column=error.colno, detail=detail, raw=stripped, at=error.pos
                )
            except RecursionError:
                self.log.add("file.deep_json", line=number, bound=MAX_JSON_DEPTH, raw=stripped)
        if number == 0:
            raise TaskFileError("file.empty", file=self.log.file)

    def value(self, text: str, index: int) -> tuple[Any, int]:
        """The value at `index` and where it ends.

        Raises:
            TaskFileError: not JSON, with line and column; nested too deep.
        """
        try:
            return self._decoder.raw_decode(text, index)
        except json.JSONDecodeError as error:
            value = self._python_value(text[index:])
            if value is not None:
                return value, len(text)
            raise self.bad(text, error.pos, plain_detail(error.msg)) from error
        except RecursionError as error:
            line = text.count("\n", 0, index) + 1
            raise TaskFileError("file.deep_json", file=self.log.file, line=line, bound=MAX_JSON_DEPTH) from error

    def array(self, text: str, index: int) -> Iterator[Item]:
        """Elements of the array that opens at `index`."""
        line, counted = text.count("\n", 0, index) + 1, index
        index = skip_space(text, index + 1)
        while index < len(text) and text[index] != "]":
            line += text.count("\n", counted, index)
            counted = index
            value, index = self.value(text, index)
            yield line, value
            index = skip_space(text, index)
            if index < len(text) and text[index] == ",":
                index = skip_space(text, index + 1)
            elif index < len(text) and text[index] != "]":
                raise self.bad(text, index, "a comma or ] is expected")
        if index >= len(text):
            raise self.bad(text, len(text) - 1, "the file ends inside the array")
        self.array_end = index + 1

    def bad(self, text: str, index: int, detail: str) -> TaskFileError:
        line = text.count("\n", 0, index) + 1
        column = index - text.rfind("\n", 0, index)
        begin = max(index - column + 1, index - MAX_RAW_CHARS)
        raw = quote_row(text[begin : index + MAX_RAW_CHARS].partition("\n")[0] or text[begin:index], index - begin)
        where = {"line": line, "column": column, "detail": detail, "raw": raw}
        return TaskFileError("file.bad_json", file=self.log.file, **where)

    def _python_value(self, text: str) -> Any:
        """A list or dict as Python prints it ({'text': 'hello'}); None when it is not one."""
        if not _PYTHON.match(text) or "'" not in text[:200] or len(text) > _MOST_PYTHON_CHARS:
            return None
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
        self.python += 1
        return as_written(value)


def as_written(value: Any) -> Any:
    """Numbers become texts, as the JSON reader keeps them."""
    if isinstance(value, dict):
        return {str(key): as_written(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [as_written(inner) for inner in value]
    if isinstance(value, float) and value != value:
        return None
    return value if value is None or isinstance(value, str | bool) else str(value)


def skip_space(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return match.end() if match else index


def find_array(text: str, index: int, path: tuple[str, ...]) -> int | None:
    """Where the array at the end of a path of keys opens in the text; None when the text is written unusually."""
    for key in path:
        match = re.compile(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:\s*").search(text, index)
        if match is None:
            return None
        index = match.end()
    return index if text[index : index + 1] == "[" else None

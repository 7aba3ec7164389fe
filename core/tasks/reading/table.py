"""What every reader returns: named columns, rows with their line numbers, and the problems met on the way."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from core.base.errors import Problem, TaskFileError
from core.tasks.reading.limits import MAX_CELL_CHARS, MAX_COLUMNS, MAX_HEADER_CHARS, MAX_PROBLEMS, MAX_RAW_CHARS
from core.tasks.reading.readings import Doubt

Row = dict[str, Any]
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ufeff\u200b]+")


@dataclass(frozen=True)
class Table:
    """A file read into memory. `lines[i]` is the physical line (sheet row, or record number) of `rows[i]`.

    `problems` tell every transformation (rows left out, a preamble, the encoding taken); `doubts` are the questions
    that the file leaves open. `split_column` is one that the file's own parts fill with train, test, ...
    `inputs` and `targets` are filled where the form of the file says what is asked and what is answered.
    """

    name: str
    format: str
    encoding: str
    columns: tuple[str, ...]
    rows: list[Row]
    lines: list[int]
    problems: list[Problem]
    sheets: tuple[str, ...] = ()
    has_header: bool = True
    truncated: bool = False
    doubts: tuple[Doubt, ...] = ()
    split_column: str = ""
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()  # one a row, in the rows of an exported task
    settings: dict[str, Any] = field(default_factory=dict)  # its roles and wording


@dataclass
class ProblemLog:
    """Collects problems of one file; beyond MAX_PROBLEMS of one kind they are only counted."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(
        self, key: str, severity: str = "error", *, place: str = "", raw: Any = None, at: int = 0, **values: Any
    ) -> None:
        """`raw` is the row as it was found (text, cells or an object); `at` the place in a text that matters."""
        self.counts[key] += 1
        if self.counts[key] > MAX_PROBLEMS:
            return
        if raw is not None:
            values["raw"] = quote_row(raw, at)
        line = values.get("line")
        where = place or (f"line {line}" if line is not None else "file")
        self.problems.append(Problem(where, key, {"file": self.file, **values}, severity))

    def tell(self, key: str, **values: Any) -> None:
        """Says what was done to the file where nothing is wrong: a note, never an error. Values as `add`."""
        self.add(key, "note", **values)

    def finish(self) -> list[Problem]:
        hidden = sum(max(0, n - MAX_PROBLEMS) for n in self.counts.values())
        if hidden:
            values = {"file": self.file, "count": hidden}
            self.problems.append(Problem("file", "file.more_problems", values, "warning"))
        return self.problems


def quote_row(raw: Any, at: int = 0) -> str:
    """A row on one line, at most MAX_RAW_CHARS of it, the part around `at`; what does not print is escaped."""
    if isinstance(raw, dict):
        raw = json.dumps({k: _start_of(v) for k, v in raw.items()}, ensure_ascii=False, default=str)
    elif isinstance(raw, list | tuple):
        raw = " | ".join("" if v is None else str(_start_of(v)) for v in raw)
    text = str(raw).rstrip("\r\n")
    start = max(0, min(at, len(text)) - MAX_RAW_CHARS * 2 // 3)
    part = text[start : start + MAX_RAW_CHARS]
    clean = "".join(c if c.isprintable() or c == "\u3000" else c.encode("unicode_escape").decode() for c in part)
    return ("… " if start else "") + clean + (" …" if start + len(part) < len(text) else "")


def _start_of(value: Any) -> Any:
    """A cell is cut early, so that the others are seen too and a giant one costs nothing."""
    if value is None or isinstance(value, bool | int | float):
        return value
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "…"
    return value if len(text) <= MAX_RAW_CHARS // 2 else text[: MAX_RAW_CHARS // 2] + "…"


def clean_columns(raw: Iterable[Any], log: ProblemLog) -> tuple[str, ...]:
    """Column names without blanks around them, all filled and all different; each change is noted."""
    names: list[str] = []
    taken: set[str] = set()
    for number, value in enumerate(raw, start=1):
        text = "" if value is None else str(value)
        name = _UNPRINTABLE.sub(" ", text).strip().replace("{", "(").replace("}", ")")[:MAX_HEADER_CHARS].strip()
        if not name:
            name = f"column_{number}"
            log.add("file.blank_header", "warning", column=number, name=name)
        if name in taken:
            first, name = name, _free_name(name, taken)
            log.add("file.duplicate_header", "warning", column=number, name=first, new_name=name)
        taken.add(name)
        names.append(name)
    if len(names) > MAX_COLUMNS:
        raise TaskFileError("file.many_columns", file=log.file, columns=len(names), bound=MAX_COLUMNS)
    return tuple(names)


def _free_name(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def check_cells(values: Collection[Any], line: int, log: ProblemLog) -> bool:
    """Whether every text cell is of a usable size; a giant one is noted and its row left out."""
    for number, value in enumerate(values, start=1):
        if isinstance(value, str) and len(value) > MAX_CELL_CHARS:
            place: dict[str, Any] = {"line": line, "column": number}
            log.add("file.giant_cell", **place, chars=len(value), bound=MAX_CELL_CHARS, raw=list(values))
            return False
    return True


def require_rows(rows: list[Row], log: ProblemLog, has_header: bool) -> None:
    """Refuses a file without one usable row, saying whether it is empty, all header or all bad."""
    if rows:
        return
    bad = next((p for p in log.problems if p.severity == "error"), None)
    if bad is not None:
        raise TaskFileError("file.no_good_row", file=log.file, count=sum(log.counts.values()), first=bad.message)
    raise TaskFileError("file.header_only" if has_header else "file.empty", file=log.file)

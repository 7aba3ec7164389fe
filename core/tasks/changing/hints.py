"""What a domain.json says of the files beside it, looked at before anything is done with it.

It may be anybody's, and is read in the page's own process: small, with few entries, each value of its kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.base.errors import TaskFileError
from core.messages.details import plain_detail
from core.tasks.changing.pairing import Hint
from core.tasks.reading.dialects import QUOTE_WORDS

HINTS = "domain.json"
MAX_BYTES = 1 << 20
MAX_TASKS = 300  # a megabyte could ask for 50,000


def read_hints(path: Path) -> list[Hint]:
    """The task entries of a domain.json.

    Raises:
        TaskFileError: missing, not JSON, without usable entries, or an entry with a value of another kind.
    """
    if not path.is_file():
        raise TaskFileError("domain.missing", folder=path.parent.name, file=HINTS)
    if path.stat().st_size > MAX_BYTES:
        raise TaskFileError("file.too_large", file=HINTS, bound=MAX_BYTES >> 20)
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno, "detail": plain_detail(error.msg)}
        raise TaskFileError("file.bad_json", file=HINTS, **where) from error
    except (OSError, ValueError, RecursionError) as error:
        detail = getattr(error, "strerror", None) or str(error)  # an OSError's text has the whole path
        raise TaskFileError("domain.bad_json", file=HINTS, detail=detail[:200]) from error
    tasks = record.get("tasks") if isinstance(record, dict) else None
    if not isinstance(tasks, list) or not tasks or not all(isinstance(t, dict) for t in tasks):
        raise TaskFileError("domain.no_tasks", file=HINTS)
    if len(tasks) > MAX_TASKS:
        raise TaskFileError("domain.many_tasks", file=HINTS, tasks=len(tasks), bound=MAX_TASKS)
    for number, task in enumerate(tasks, start=1):
        _require_kinds(task, number)
    return tasks


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_named(value: Any) -> bool:
    return _is_plain(value) or _is_list(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_plain, value))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_plain, value.values()))


_KINDS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("train", "test", "validation", "file", "instruction", "template", "metric", "kind"), _is_text),
    **dict.fromkeys(("name", "licence", "license", "citation"), _is_plain),
    **dict.fromkeys(("input", "inputs", "target", "targets"), _is_named),
    "delimiter": lambda value: isinstance(value, str) and len(value) == 1,
    "quotes": lambda value: isinstance(value, str) and value in QUOTE_WORDS,
    "columns": _is_list, "label_names": _is_table, "header": lambda value: isinstance(value, bool),
}  # fmt: skip


def _require_kinds(task: Hint, number: int) -> None:
    for field, is_right in _KINDS.items():
        if task.get(field) is not None and not is_right(task[field]):
            raise TaskFileError("domain.bad_field", file=HINTS, number=number, field=field)

"""The append-only event file of a run: one JSON object a line, one write a line, ids that only grow.

The worker is the only writer (it holds the run's lock); any number of readers poll with a cursor. A torn last line
(power cut, full disk) is never shown to a reader and cut off before the next writer appends.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from core.base.errors import WorkspaceError
from core.base.lines import end_of_last_line

_BLOCK = 65_536


class EventWriter:
    """Appends events to `path`. A failed write (disk full) leaves the file as it was before.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise WorkspaceError("workspace.read_only", path=str(path), detail=error.strerror or "") from error
        self._path = path
        self._end = end_of_last_line(path)
        os.ftruncate(self._file, self._end)
        self._next_id = _last_id(path, self._end) + 1

    def write(self, kind: str, fields: dict[str, Any]) -> int:
        """Writes one event and returns its id. `time` is seconds since 1970."""
        event = {"id": self._next_id, "time": round(time.time(), 3), "kind": kind, **fields}
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        try:
            written = os.pwrite(self._file, line, self._end)
            if written != len(line):
                raise OSError(28, "only a part of the line could be written")
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise WorkspaceError("run.disk_full", path=str(self._path), detail=error.strerror or "") from error
        self._end += len(line)
        self._next_id += 1
        return self._next_id - 1

    def close(self) -> None:
        os.close(self._file)


def read_events(path: Path, after_id: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """Events with an id above `after_id`, oldest first.

    A page polls only what is newer than its cursor: the start is found by bisection, so a long file costs no more
    than a short one.
    """
    try:
        with open(path, "rb") as file:
            file.seek(_offset_after(file, after_id))
            data = file.read()
    except FileNotFoundError:
        return []
    events = []
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        event = _parse(line)
        if event is not None and event["id"] > after_id:
            events.append(event)
            if limit is not None and len(events) >= limit:
                break
    return events


def last_event_id(path: Path) -> int:
    """The id of the newest whole event, 0 when there is none."""
    return _last_id(path, end_of_last_line(path)) if path.exists() else 0


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except (ValueError, UnicodeDecodeError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("id"), int) else None


def _offset_after(file: Any, after_id: int) -> int:
    """Offset of a line start at or before the first event above `after_id`."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _BLOCK:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()  # the rest of a line that began earlier
        start = file.tell()
        event = _parse(file.readline())
        if start >= high or event is None or event["id"] > after_id:
            high = middle
        else:
            low = start
    return low


def _last_id(path: Path, end: int) -> int:
    with open(path, "rb") as file:
        reach = _BLOCK
        while True:
            start = max(0, end - reach)
            file.seek(start)
            lines = file.read(end - start).splitlines()
            for line in reversed(lines[0 if start == 0 else 1 :]):
                event = _parse(line)
                if event is not None:
                    return int(event["id"])
            if start == 0:
                return 0
            reach *= 4

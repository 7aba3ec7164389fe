"""Files of JSON lines that grow while others read them, and whose last line a power cut may have torn.

A line counts when its end is written. Lines end at "\\n" alone: other signs that Python takes for line ends may
stand inside a text.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.base.errors import WorkspaceError

_BLOCK = 65_536


def whole_lines(path: Path) -> list[str]:
    """The lines that were written to their end; none when there is no file.

    Raises:
        WorkspaceError: the file is not UTF-8.
    """
    try:
        data = path.read_bytes()
        text = data[: data.rfind(b"\n") + 1].decode("utf-8")  # cut first: the tear may go through a letter
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise WorkspaceError("workspace.damaged", path=str(path), detail=str(error)) from error
    return [line for line in text.split("\n") if line]


def read_records(path: Path) -> list[Any]:
    """The values of all whole lines.

    Raises:
        WorkspaceError: a line is not JSON; the file and the line are named.
    """
    found = []
    for number, line in enumerate(whole_lines(path), start=1):
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise WorkspaceError("workspace.damaged", path=str(path), detail=f"line {number}: {error}") from error
    return found


def append_records(path: Path, records: Iterable[Any], is_synced: bool = False) -> None:
    """Adds a line a record, as one write under a lock; a torn last line is cut off before, a failed write after.

    Raises:
        WorkspaceError: the disk is full or the folder cannot be written.
    """
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    try:
        with open(path, "ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = end_of_last_line(path)
            file.truncate(end)
            if file.write(lines) != len(lines):
                file.truncate(end)
                raise OSError(28, os.strerror(28))
            if is_synced:
                os.fsync(file.fileno())
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(path.parent), detail=error.strerror or "") from error


def end_of_last_line(path: Path) -> int:
    """How many bytes of a file are whole lines."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        while size > 0:
            start = max(0, size - _BLOCK)
            file.seek(start)
            cut = file.read(size - start).rfind(b"\n")
            if cut >= 0:
                return start + cut + 1
            size = start
    return 0

"""Small file habits that everything relies on: atomic writes, new ids, paths that stay inside their root."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.base.errors import MissingFileError, WorkspaceError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def new_id(prefix: str = "") -> str:
    """A folder name that sorts by time and cannot be guessed: 20261121-081530-3f9a1c04."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{prefix}{stamp}-{secrets.token_hex(4)}"


def require_id(text: str) -> str:
    """An id as `new_id` makes them; anything that could leave its folder is refused."""
    if not _ID.fullmatch(text) or ".." in text:
        raise WorkspaceError("workspace.outside", path=text)
    return text


def inside(root: Path, *parts: str) -> Path:
    """The path root/parts, resolved; refused when it does not lie under root (symbolic links followed)."""
    path = root.joinpath(*parts).resolve()
    if not path.is_relative_to(root.resolve()):
        raise WorkspaceError("workspace.outside", path=str(Path(*parts)))
    return path


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Readers see the old file or the new one, never half of one, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise WorkspaceError("workspace.read_only", path=str(path.parent), detail=error.strerror or "") from error


def sync_files(paths: list[Path]) -> None:
    """Brings files and their folders from memory to the disk: a power cut does not take them any more."""
    for path in [*paths, *{path.parent for path in paths}]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text_atomic(path: Path, text: str) -> None:
    write_bytes_atomic(path, text.encode("utf-8"))


def write_json_atomic(path: Path, value: Any) -> None:
    write_text_atomic(path, json.dumps(value, ensure_ascii=False, indent=1))


def read_json(path: Path) -> Any:
    """The JSON value in a file this program wrote.

    Raises:
        WorkspaceError: damaged, or it cannot be read; the file is named. MissingFileError: there is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError("workspace.damaged", path=str(path), detail="missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> WorkspaceError:
    """The error that names a file of this program which does not hold what was written there."""
    detail = error.strerror if isinstance(error, OSError) else str(error)
    return WorkspaceError("workspace.damaged", path=str(path), detail=detail or type(error).__name__)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is raised inside, because a file's values have another shape than this program writes, names the file.

    Raises:
        WorkspaceError: such an error.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, error) from error


def hash_file(path: Path) -> str:
    """SHA-256 as hex digits, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Plain values of JSON as the dataclasses they were written from, checked by pydantic.

What is written is `dataclasses.asdict`, so that the files stay what they always were. What is read may come from an
older or newer version: names that are not known are left aside, missing ones take their defaults. Tuples, nested
dataclasses and paths come back as such. pydantic loads with the first record, so that a start without one is spared
its 0.1 s.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from core.base.errors import WorkspaceError
from core.base.files import read_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def read_record(cls: type[T], path: Path) -> T:
    """The value in a JSON file this program wrote.

    Raises:
        WorkspaceError: damaged; the file and the place in it are named.
    """
    return from_record(cls, read_json(path), path)


def checked_record(cls: type, path: Path) -> dict[str, Any]:
    """The object in a JSON file as it stands there, with what `cls`, a dataclass, does not name.

    Raises:
        WorkspaceError: damaged, or what `cls` names is missing or of another type. MissingFileError: no such file.
    """
    value: dict[str, Any] = read_json(path)
    from_record(cls, value, path)
    return value


def from_record(cls: type[T], record: Any, source: Path | str) -> T:
    """A value of JSON as `cls`, a dataclass or a collection of some; `source` is named in an error.

    Raises:
        WorkspaceError: the value is not one of `cls`; what the dataclass itself raises for values out of bounds.
    """
    from pydantic import ValidationError

    try:
        found: T = _adapter(cast(Hashable, cls)).validate_python(record)
        return found
    except ValidationError as error:
        raise WorkspaceError("workspace.damaged", path=str(source), detail=_told(error.errors()[0])) from error


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _told(error: Any) -> str:
    """inputs.0: Input should be a valid string"""
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])

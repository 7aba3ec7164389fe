"""Files and folders of a folder by their names, made when they are asked for: lists ask thousands of runs for four
of forty, and forty paths a run would take longer than reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class HasPath(Protocol):
    path: Path


class Place:
    """An attribute of a class with a `path`: the file of this name below it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: HasPath, _: object) -> Path:
        return folder.path / self._name

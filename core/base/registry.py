"""A name -> object table that refuses duplicates and explains unknown names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from core.base.errors import SettingError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of thing, in the order they were registered.

    Raises:
        ValueError: when a name is registered twice (a programming error, found at import).
        SettingError: when an unknown name is asked for; the message lists the known ones.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str, entry: T) -> T:
        if not name or name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is empty or registered twice")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> T:
        if name not in self._entries:
            raise SettingError("registry.unknown", kind=self.kind, name=name, known=", ".join(self._entries))
        return self._entries[name]

    def names(self) -> list[str]:
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def remove(self, name: str) -> None:
        """Takes an entry back; tests that register one of their own use it."""
        del self._entries[name]

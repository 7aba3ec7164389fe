"""Nested values that no form knows: told, so that the printed form of objects is not practised in silence."""

from __future__ import annotations

from typing import Any

from core.tasks.reading.forms.base import filled
from core.tasks.reading.table import ProblemLog, Table


def tell_nested(table: Table, log: ProblemLog) -> None:
    """Columns whose cells are lists of objects or lists of lists; they are used as a printed text."""
    found = [c for c in table.columns if any(_is_nested(value) for value in filled(table, c))]
    if found:
        log.add("form.nested", "warning", columns=", ".join(found))


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)

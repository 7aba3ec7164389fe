"""What is true of every file in the messy folder, as facts that a reading is held against.

`messy/AREA.json`: {"FOLDER/FILE": {fact: value, ...}}. A file holds the facts of one area and is extended there; a
new kind of fact is one function below. Facts are about what a user sees: columns, rows, roles, notes, questions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from core.base.errors import TaskFileError
from core.tasks.guessing.roles import RoleGuess, guess_roles
from core.tasks.reading.files import read_table
from core.tasks.reading.table import Table

FACTS = Path(__file__).parent / "messy"
MESSY = Path(__file__).resolve().parents[3] / "shared" / "data" / "messy"


@dataclass(frozen=True)
class Fact:
    area: str
    file: str
    name: str
    value: Any


class Found:
    """A messy file as it was read."""

    def __init__(self, path: Path) -> None:
        self.refused = ""
        try:
            self._table: Table | None = read_table(path)
        except TaskFileError as error:
            self._table, self.refused = None, error.key

    @property
    def table(self) -> Table:
        assert self._table is not None, f"refused: {self.refused}"
        return self._table

    @cached_property
    def guess(self) -> RoleGuess:
        return guess_roles(self.table)

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.table.rows]


def _first(found: Found, values: list[Any]) -> bool:
    return list(found.table.rows[0].values()) == values


def _labels(found: Found, wanted: dict[str, list[str]]) -> bool:
    return all(sorted(set(map(str, found.column(c)))) == sorted(values) for c, values in wanted.items())


def _cells(found: Found, wanted: dict[str, dict[str, Any]]) -> bool:
    """{line: {column: value}}"""
    rows = dict(zip(found.table.lines, found.table.rows, strict=True))
    return all(rows[int(line)][c] == value for line, cells in wanted.items() for c, value in cells.items())


JUDGES: dict[str, Callable[[Found, Any], bool]] = {
    "refused": lambda found, key: found.refused == key,
    "columns": lambda found, names: list(found.table.columns) == names,
    "rows": lambda found, count: len(found.table.rows) == count,
    "header": lambda found, has: found.table.has_header == has,
    "encoding": lambda found, name: found.table.encoding == name,
    "first": _first,
    "cells": _cells,
    "labels": _labels,
    "notes": lambda found, keys: set(keys) <= {p.key for p in found.table.problems},
    "quiet": lambda found, _: not [p for p in found.table.problems if p.severity != "note"],
    "sure": lambda found, _: not found.table.doubts,
    "asked": lambda found, abouts: sorted(d.about for d in found.table.doubts) == sorted(abouts),
    "inputs": lambda found, names: sorted(found.guess.inputs) == sorted(names),
    "targets": lambda found, names: sorted(found.guess.targets) == sorted(names),
    "kind": lambda found, kind: found.guess.kind == kind,
    "metric": lambda found, metric: found.guess.metric == metric,
}


def read_facts() -> Iterator[Fact]:
    for path in sorted(FACTS.glob("*.json")):
        for file, facts in json.loads(path.read_text(encoding="utf-8")).items():
            for name, value in facts.items():
                yield Fact(path.stem, file, name, value)


def judge_facts() -> dict[str, tuple[int, list[Fact]]]:
    """Area -> (number of facts, those that do not hold)."""
    counts: Counter[str] = Counter()
    wrong: dict[str, list[Fact]] = {}
    found: dict[str, Found] = {}
    for fact in read_facts():
        counts[fact.area] += 1
        if fact.file not in found:
            found[fact.file] = Found(MESSY / fact.file)
        if not _holds(found[fact.file], fact):
            wrong.setdefault(fact.area, []).append(fact)
    return {area: (count, wrong.get(area, [])) for area, count in counts.items()}


def _holds(found: Found, fact: Fact) -> bool:
    if found.refused and fact.name != "refused":
        return False
    try:
        return JUDGES[fact.name](found, fact.value)
    except (TaskFileError, KeyError, IndexError):  # no roles, no such column: the fact does not hold
        return False

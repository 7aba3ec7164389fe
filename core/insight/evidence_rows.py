"""The check rows behind one cell of the evidence: which answers became less likely, and which more. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from core.adapters.skill import COMMON, PRIVATE
from core.insight.evidence import Evidence
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_split

MOST_ROWS = 8


@dataclass(frozen=True)
class ChangedRow:
    """A check row: `percent` is what becomes of the likelihood per token of its right answer, below 0 is a loss."""

    number: int
    prompt: str
    target: str
    percent: float


def changed_rows(
    run_dir: Path, found: Evidence, task: str, column: str, borrowed: bool = False
) -> list[ChangedRow] | None:
    """Rows of a task by what becomes of them without a skill (or without all `common` or `private` ones), or, with
    `borrowed`, by answering with the row of the task `column`; the most worsened first, None where nothing was kept
    for this cell. Which of both is meant cannot be told by the name: a task may be called like a skill."""
    kind = "borrowed" if borrowed else "kinds" if column in (COMMON, PRIVATE) else "skills"
    table = found.row_changes.get(kind)
    if table is None or task not in table.index or column not in table.columns:
        return None
    changes = table.at[task, column]
    if not isinstance(changes, list):
        return None
    rows = load_saved_split(RunFolder(run_dir).data_dir, found.tasks.index(task), "validation")
    listed = [
        ChangedRow(place + 1, rows[place].prompt, rows[place].target, 100 * (math.exp(-change) - 1))
        for place, change in zip(found.places[task], changes, strict=True)
        if place < len(rows) and math.isfinite(change)
    ]
    return sorted(listed, key=lambda row: row.percent)


def both_ends(rows: list[ChangedRow], most: int = MOST_ROWS) -> list[ChangedRow]:
    """The rows that changed most, worse and better ones, in their order."""
    if len(rows) <= most:
        return rows
    kept = sorted(rows, key=lambda row: -abs(row.percent))[:most]
    return sorted(kept, key=lambda row: row.percent)

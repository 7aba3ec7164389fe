"""Looking through a task's rows: search, pages, and the edits of a table of rows as one version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.base.errors import SettingError
from core.tasks.cell_text import target_text
from core.tasks.changing.dealing import SplitRow
from core.tasks.changing.editing import HAND, ORIGIN, Place
from core.tasks.changing.versions import change_rows, read_all_rows
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import get_task, read_rows, task_dir
from core.workspace import Project

PAGE_ROWS = 20


@dataclass(frozen=True)
class RowPage:
    """Rows `start` to `start + len(rows)` of the `total` that fit the search."""

    rows: list[SplitRow]
    start: int
    total: int


@dataclass(frozen=True)
class EditedRow:
    """A row of an edited table: its place (None for a new one), the split it shall be in, its cells as text."""

    place: Place | None
    split: str
    cells: Mapping[str, str]


def find_rows(
    project: Project, name: str, split: str = "", text: str = "", start: int = 0, count: int = PAGE_ROWS
) -> RowPage:
    """A page of rows: of one split or all, whose cells hold `text` (small and capital letters alike).

    Raises:
        SettingError: an unknown split. WorkspaceError: an unknown task, damaged rows.
    """
    if split and split not in SPLITS:
        raise SettingError("registry.unknown", kind="split", name=split, known=", ".join(SPLITS))
    folder = task_dir(project, get_task(project, name).task_id)
    wanted, found, total = text.casefold().strip(), [], 0
    for one in (split,) if split else SPLITS:
        for line, row in read_rows(folder, one):
            if wanted and not any(wanted in target_text(v).casefold() for v in row.values()):
                continue
            if start <= total < start + count:
                found.append(SplitRow(one, line, row))
            total += 1
    return RowPage(found, start, total)


def shown_columns(spec: TaskSpec, rows: Sequence[SplitRow]) -> list[str]:
    """Columns that are read, then the answer, then the others; the origin where a row has one."""
    used = (*spec.inputs, *spec.targets)
    columns = [*used, *(name for name in spec.columns if name not in used)]
    return [*columns, ORIGIN] if any(r.row.get(ORIGIN) for r in rows) else columns


def save_table(
    project: Project, name: str, shown: Sequence[Place], edited: Sequence[EditedRow], origin: str = HAND
) -> tuple[TaskSpec, int]:
    """Takes over a table that showed the rows `shown`: cells changed, rows moved, added, or gone from it.

    Returns:
        The task and how many rows were touched; all of it is one version.

    Raises:
        SettingError: an unknown column or split, a row that is gone. TaskFileError: nothing left to train on.
    """
    spec = get_task(project, name)
    rows = read_all_rows(task_dir(project, spec.task_id))
    position = {(r.split, r.line): i for i, r in enumerate(rows)}
    for split, line in shown:
        if (split, line) not in position:
            raise SettingError("task.no_row", split=split, line=line)
    kept = {row.place: row for row in edited if row.place is not None}
    gone = [position[split, line] for split, line in shown if (split, line) not in kept]
    count = len(gone)
    for place, row in kept.items():
        if place not in position:
            raise SettingError("task.no_row", split=place[0], line=place[1])
        changed = _edited(spec, rows[position[place]], row)
        count += changed != rows[position[place]]
        rows[position[place]] = changed
    line = max((r.line for r in rows), default=1)
    fresh = []
    for row in edited:
        if row.place is None and any(text.strip() for text in row.cells.values()):
            line += 1
            blank = SplitRow("train", line, {**dict.fromkeys(spec.columns, ""), ORIGIN: origin})
            fresh.append(_edited(spec, blank, row))
    count += len(fresh)
    left = [r for i, r in enumerate(rows) if i not in set(gone)]
    if not count:
        return spec, 0
    return change_rows(project, spec.task_id, left + fresh, "edit_table", count), count


def _edited(spec: TaskSpec, before: SplitRow, row: EditedRow) -> SplitRow:
    """Cells whose text did not change keep their value (a list stays a list)."""
    if row.split not in SPLITS:
        raise SettingError("registry.unknown", kind="split", name=row.split, known=", ".join(SPLITS))
    values = dict(before.row)
    for column, text in row.cells.items():
        if column == ORIGIN:
            continue
        if column not in spec.columns:
            raise SettingError("task.no_column", column=column, known=", ".join(spec.columns))
        if text != target_text(values.get(column)):
            values[column] = text
    return before._replace(split=row.split, row=values)

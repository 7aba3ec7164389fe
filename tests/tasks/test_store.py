"""Tasks on disk under other hands: leftovers, races, damage."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from core.base.errors import WorkspaceError
from core.base.folders import HIDDEN
from core.tasks.changing.add_task import add_task
from core.tasks.changing.versions import change_rows, read_all_rows
from core.tasks.store import list_tasks, read_rows, task_dir
from core.workspace import Project


def test_leftovers_of_killed_imports_go_after_a_day(project: Project, small_csv: Path) -> None:
    old, fresh = (project.tasks_dir / f"{HIDDEN}{n}" for n in ("old", "fresh"))
    old.mkdir()
    fresh.mkdir()
    os.utime(old, (1, 1))
    add_task(project, small_csv)
    assert (old.exists(), fresh.exists()) == (False, True)
    assert len(list_tasks(project)) == 1


def test_listing_while_rows_change(project: Project, small_csv: Path) -> None:
    spec = add_task(project, small_csv)
    stop = threading.Event()
    failures: list[Exception] = []

    def look() -> None:
        while not stop.is_set():
            try:
                list_tasks(project)
            except WorkspaceError as error:
                failures.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    rows = read_all_rows(task_dir(project, spec.task_id))
    for _ in range(15):
        change_rows(project, spec.task_id, rows, "again", 1)
    stop.set()
    watcher.join()
    assert failures == []


def test_damaged_rows_are_named(project: Project, small_csv: Path) -> None:
    spec = add_task(project, small_csv)
    path = task_dir(project, spec.task_id) / "train.jsonl"
    path.write_text('{"line": 1, "row"', encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"train\.jsonl is damaged"):
        list(read_rows(path.parent, "train"))

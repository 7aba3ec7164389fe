"""A large task is changed in another process: the same outcome as here, and its rows are never read here."""

from __future__ import annotations

from pathlib import Path

import pytest

import core.tasks.changing.in_child as apart
from core.base.errors import SettingError, TaskFileError, WorkspaceError
from core.tasks.changing.add_task import add_task
from core.tasks.changing.browsing import EditedRow
from core.tasks.changing.editing import ORIGIN
from core.tasks.changing.versions import list_versions
from core.tasks.spec import SPLITS, SplitSettings
from core.tasks.store import get_task, read_rows, task_dir
from core.workspace import Project

TEXT = "text,label\n" + "".join(f"text number {i % 50},{'ab'[i % 2]}\n" for i in range(60))


@pytest.fixture(params=["here", "apart"])
def place(request: pytest.FixtureRequest, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A task of 60 rows, ten of them repeated; in another process only where it counts as large."""
    path = tmp_path / "rows.csv"
    path.write_text(TEXT, encoding="utf-8")
    add_task(project, path)
    if request.param == "apart":
        monkeypatch.setattr(apart, "LARGE_ROWS", 10)
        for name in (
            "apply_fix",
            "undo_change",
            "update_task",
            "save_table",
            "compare_versions",
            "add_correction",
            "edit_row",
            "move_rows",
        ):
            monkeypatch.setattr(apart, name, lambda *_: pytest.fail("done in this process"))
    return str(request.param)


def contents(project: Project) -> list[tuple[str, int, dict[str, str]]]:
    folder = task_dir(project, get_task(project, "rows").task_id)
    return [(split, line, row) for split in SPLITS for line, row in read_rows(folder, split)]


def test_changes_are_the_same_apart(place: str, project: Project) -> None:
    before = contents(project)
    done = apart.fix_in_child(project, "rows", "drop_duplicates")
    assert (done.count, len(contents(project))) == (10, 50)
    assert done.task == get_task(project, "rows")
    differences, count = apart.compare_in_child(project, "rows", 1)
    assert (count, len(differences)) == (10, 10)
    assert all(d.after is None and d.before is not None and d.before.row["label"] in "ab" for d in differences)
    assert apart.undo_in_child(project, "rows").num_train == get_task(project, "rows").num_train
    assert contents(project) == before

    split, line, row = before[0]
    edited = [EditedRow((split, line), split, {**row, "text": "edited"}), EditedRow(None, "train", {"text": "new"})]
    _, count = apart.save_table_in_child(project, "rows", [(split, line)], edited)
    assert count == 2
    assert contents(project)[0][2]["text"] == "edited"
    changes = {"split": SplitSettings(validation=0.3, seed=4), "inputs": ("text",), "instruction": "Say a or b."}
    changed = apart.update_in_child(project, "rows", changes)
    assert (changed.split.seed, changed.instruction) == (4, "Say a or b.")
    assert changed == get_task(project, "rows")
    assert [v.change for v in list_versions(project, "rows")] == ["edit_table", "split"]

    corrected = apart.add_correction_in_child(project, "rows", {"text": "asked"}, "a", "chat: tuned")
    assert (corrected.task.num_train, corrected.how) == (changed.num_train + 1, "added")
    asked = next(found for found in contents(project) if found[2]["text"] == "asked")
    assert (asked[0], asked[2]["label"], asked[2][ORIGIN]) == ("train", "a", "chat: tuned")
    apart.edit_row_in_child(project, "rows", asked[:2], {"label": "b"})
    moved = apart.move_rows_in_child(project, "rows", [asked[:2]], "test")
    assert moved == get_task(project, "rows")
    asked = next(found for found in contents(project) if found[2]["text"] == "asked")
    assert (asked[0], asked[2]["label"]) == ("test", "b")


def test_errors_are_the_same_apart(place: str, project: Project) -> None:
    with pytest.raises(SettingError):
        apart.fix_in_child(project, "rows", "no_such_fix")
    with pytest.raises(WorkspaceError) as caught:
        apart.undo_in_child(project, "rows")
    assert caught.value.key == "task.nothing_to_undo"
    everything = [(split, line) for split, line, _ in contents(project)]
    with pytest.raises(TaskFileError):
        apart.save_table_in_child(project, "rows", everything, [])
    with pytest.raises(SettingError):
        apart.edit_row_in_child(project, "rows", ("test", 9999), {"label": "b"})
    assert len(contents(project)) == 60


def test_a_comparison_is_cut(place: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    apart.fix_in_child(project, "rows", "drop_duplicates")
    if place == "here":
        monkeypatch.setattr(apart, "MOST_DIFFERENCES", 3)
        found, count = apart.compare_in_child(project, "rows", 1)
        assert (len(found), count) == (3, 10)

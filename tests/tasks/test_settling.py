"""A question about a file is answered once: the reading is kept, or the file is read the other way."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.base.errors import TaskFileError, WorkspaceError
from core.tasks.changing import versions
from core.tasks.changing.domain import add_files, read_again
from core.tasks.changing.editing import delete_rows
from core.tasks.changing.settling import settle_doubt
from core.tasks.changing.versions import list_versions, read_all_rows, undo_change
from core.tasks.reading.files import read_table
from core.tasks.store import get_task, read_doubts, task_dir
from core.workspace import Project, Workspace

ROWS = "a;b,c\nred;one,hot\nblue;two,cold\ngreen;one,hot\nred;two,cold\n"


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Project, str, Path]:
    path = tmp_path / "mixed.csv"
    path.write_text(ROWS, encoding="utf-8")
    project = Workspace(tmp_path / "home").create_project("Desk")
    return project, add_files(project, [path], isolated=False).added[0].task_id, path


def test_each_side_of_a_doubt_is_what_its_options_read(asked: tuple[Project, str, Path]) -> None:
    project, task_id, path = asked
    for doubt in read_doubts(project, task_id):
        for side in (doubt.taken, doubt.other):
            table = read_table(path, side.options)
            assert table.columns == side.columns
            assert tuple(tuple(row.values()) for row in table.rows[: len(side.rows)]) == side.rows
            assert doubt.about not in {left.about for left in table.doubts}


def test_keeping_closes_the_question(asked: tuple[Project, str, Path]) -> None:
    project, task_id, _ = asked
    doubt = next(d for d in read_doubts(project, task_id) if d.about == "delimiter")
    spec = settle_doubt(project, task_id, doubt, other=False)
    assert spec.columns == ("a;b", "c")
    assert doubt not in read_doubts(project, task_id)


def test_the_other_reading_replaces_the_task(asked: tuple[Project, str, Path]) -> None:
    project, task_id, path = asked
    doubt = next(d for d in read_doubts(project, task_id) if d.about == "delimiter")
    spec = settle_doubt(project, task_id, doubt, other=True, path=path, paths=[path])
    assert spec.columns == ("a", "b,c")
    assert get_task(project, "mixed").task_id == spec.task_id
    assert "delimiter" not in {d.about for d in read_doubts(project, spec.task_id)}


def test_a_file_that_is_gone_is_asked_for_again(asked: tuple[Project, str, Path]) -> None:
    project, task_id, path = asked
    path.unlink()
    doubt = next(d for d in read_doubts(project, task_id) if d.about == "delimiter")
    with pytest.raises(TaskFileError, match=r"mixed\.csv is no longer at hand"):
        settle_doubt(project, task_id, doubt, other=True, path=path)


def test_reading_again_is_a_version_that_can_be_undone(asked: tuple[Project, str, Path]) -> None:
    project, task_id, path = asked
    before, asked_before = get_task(project, task_id), read_doubts(project, task_id)
    spec = read_again(project, path, {"delimiter": ";"}, [path])
    assert (spec.task_id, spec.columns) == (task_id, ("a", "b,c"))
    assert [v.change for v in list_versions(project, task_id)] == ["read_again"]
    undo_change(project, task_id)
    assert get_task(project, task_id).columns == before.columns
    assert read_doubts(project, task_id) == asked_before


@pytest.mark.parametrize("step", ["_carry_versions", "write_spec", "replace_folder"])
def test_a_failure_in_the_middle_of_reading_again_loses_nothing(
    asked: tuple[Project, str, Path], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, task_id, path = asked
    before = {f.name: f.read_bytes() for f in task_dir(project, task_id).glob("*.json*")}

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(versions, step, fails)
    with pytest.raises(WorkspaceError, match="No space left"):
        read_again(project, path, {"delimiter": ";"}, [path])
    assert {f.name: f.read_bytes() for f in task_dir(project, task_id).glob("*.json*")} == before
    assert [f.name for f in project.tasks_dir.iterdir()] == [task_id]


def test_an_open_question_outlives_a_change_of_the_rows(asked: tuple[Project, str, Path]) -> None:
    project, task_id, _ = asked
    open_before = read_doubts(project, task_id)
    assert open_before
    delete_rows(project, task_id, [("train", read_all_rows(task_dir(project, task_id))[0].line)])
    assert read_doubts(project, task_id) == open_before

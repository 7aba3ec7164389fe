"""A question about a file is answered once: the reading is kept, or the file is read the other way."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.base.errors import TaskFileError
from core.tasks.changing.domain import add_files
from core.tasks.changing.settling import settle_doubt
from core.tasks.reading.files import read_table
from core.tasks.store import get_task, read_doubts
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

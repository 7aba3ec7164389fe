"""Whatever a visitor brings is read in the limited child process: questions, names of codes, packs, pasted rows."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import core.tasks.changing.isolation as isolation
from core.base.errors import TaskFileError
from core.chat.question_files import MAX_QUESTIONS, read_questions
from core.tasks.changing.add_task import add_pasted, add_task
from core.tasks.changing.archive import export_project, import_project
from core.tasks.changing.domain import add_files
from core.tasks.changing.isolation import ParseLimits, read_rows_isolated
from core.workspace import Project, Workspace
from tests.tasks.nasty_files import archive

NEVER = "read in the process of the page"


@pytest.fixture
def no_reading_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process every reader fails; the child is another process and knows nothing of it."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError(NEVER)

    for door in ("read_sheet", "read_parquet", "read_json", "read_jsonl", "read_delimited"):
        monkeypatch.setattr(f"core.tasks.reading.files.{door}", refuse)
    monkeypatch.setattr("core.tasks.changing.archive._unpack", refuse)
    monkeypatch.setattr("core.tasks.changing.archive._require_entries", refuse)


def test_everything_a_visitor_brings_goes_through_the_one_door(
    project: Project, small_csv: Path, tmp_path: Path, no_reading_here: None
) -> None:
    spec = add_task(project, small_csv, isolated=True)
    assert len(read_questions(small_csv, spec).questions) == 50
    names = tmp_path / "colours_labels.csv"
    names.write_text("code,name\nred,Rot\nblue,Blau\n", encoding="utf-8")
    (named,) = add_files(project, [small_csv, names]).added
    assert named.labels == ("Blau", "Rot")
    assert add_pasted(project, "text\tlabel\none thing\ta\ntwo things\tb\nthree\ta\n").num_train
    pack = export_project(project, tmp_path / "desk.zip")
    copy = import_project(Workspace(tmp_path / "workspace"), pack, "local")
    assert copy.name == "Demo 2"


@pytest.mark.parametrize(
    ("tasks", "key"),
    [
        ([{"train": "a.csv"}] * 40_000, "domain.many_tasks"),
        ([{"train": "a.csv", "columns": 5}], "domain.bad_field"),
        ([{"train": "a.csv", "label_names": ["x"]}], "domain.bad_field"),
        ([{"train": "a.csv", "template": {"x": 1}}], "domain.bad_field"),
        ([{"train": {"x": 1}}], "domain.bad_field"),
        ([{"train": "a.csv", "header": "no"}], "domain.bad_field"),
        ([{"train": "a.csv", "delimiter": "tab"}], "domain.bad_field"),
        ([{"train": "a.csv", "quotes": ["none"]}], "domain.bad_field"),
    ],
)
def test_a_domain_file_asks_for_no_more_than_it_may(
    project: Project, small_csv: Path, tmp_path: Path, tasks: list[Any], key: str
) -> None:
    """What it says is followed by the page itself, a task and a child process for each entry."""
    hints = tmp_path / "domain.json"
    hints.write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    (failed,) = add_files(project, [hints]).failed
    assert failed[1].key == key


def bomb(name: str, content: bytes) -> bytes:
    manifest = json.dumps({"format": "taskloom-project-1", "name": "Bomb", "tasks": []}).encode()
    return archive({"pack.json": manifest, name: content})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tasks/t1/task.json", b"[" * (17 << 20)),
        ("tasks/t1/problems.json", b" " * (65 << 20)),
        ("settings/r1.yaml", b"a: " + b"[" * (2 << 20)),
    ],
)
def test_a_pack_with_a_giant_inside_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(bomb(name, content))
    workspace = Workspace(tmp_path / "workspace")
    with pytest.raises(TaskFileError) as caught:
        import_project(workspace, path, "local")
    assert caught.value.key == "pack.too_large"
    assert name in caught.value.message
    assert workspace.list_projects("local") == []


def test_a_question_file_that_is_a_bomb_costs_the_child_only(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    rows = b"<row><c><v>1</v></c></row>" * 2_000_000
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    path.write_bytes(archive({"xl/worksheets/sheet1.xml": sheet + rows}))
    with pytest.raises(TaskFileError):
        read_rows_isolated(path, MAX_QUESTIONS + 1)


def test_memory_and_text_of_a_reading_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.csv"
    path.write_text("text,label\n" + f"{'x' * 900_000},a\n" * 12, encoding="utf-8")
    assert len(read_rows_isolated(path, 5).rows) == 5
    monkeypatch.setattr(isolation, "MAX_TEXT", 4 << 20)
    with pytest.raises(TaskFileError, match="more than 4 MB of text"):
        read_rows_isolated(path, 12)
    request = {"verb": "rows", "path": str(path), "name": "long.csv", "most_rows": 12, "most_chars": 1 << 30}
    with pytest.raises(TaskFileError) as caught:
        isolation.ask_child(request, "long.csv", ParseLimits(60, 60))
    assert caught.value.key in ("file.too_much_memory", "file.parser_died")


def test_the_rows_of_a_question_file_come_back_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [
        {"text": "one", "tags": ["a", "b"], "n": None, "yes": True},
        {"text": "zwei\n\u2028", "tags": [], "n": 1.5},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    table = read_rows_isolated(path, 10)
    assert table.columns == ("text", "tags", "n", "yes")
    assert table.rows[1] == {"text": "zwei\n\u2028", "tags": [], "n": "1.5", "yes": None}
    assert table.lines == [1, 2]


def test_the_archive_of_these_tests_is_a_pack() -> None:
    with zipfile.ZipFile(io.BytesIO(bomb("tasks/t1/task.json", b"{}"))) as pack:
        assert pack.namelist() == ["pack.json", "tasks/t1/task.json"]

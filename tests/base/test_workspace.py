"""Workspace: names are labels, ids stay inside, writes are atomic, owners are separate."""

import json
from pathlib import Path

import pytest

from core.base import files
from core.base.errors import WorkspaceError
from core.workspace import Workspace


def test_projects_are_found_by_name_and_id(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    project = workspace.create_project("Klinik 病例 / ../x")
    assert project.path.parent == workspace.projects_dir
    assert workspace.get_project("Klinik 病例 / ../x") == project
    assert workspace.get_project(project.project_id) == project
    with pytest.raises(WorkspaceError, match="exists already"):
        workspace.create_project("Klinik 病例 / ../x")


def test_owners_do_not_see_each_other(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    mine = workspace.create_project("Same name", owner="a")
    workspace.create_project("Same name", owner="b")
    assert workspace.list_projects("a") == [mine]
    with pytest.raises(WorkspaceError):
        workspace.get_project(mine.project_id, owner="b")
    (mine.runs_dir / "20260101-000000-aa").mkdir()
    assert workspace.find_run_dir("20260101", owner="a").name == "20260101-000000-aa"
    with pytest.raises(WorkspaceError):
        workspace.find_run_dir("20260101-000000-aa", owner="b")


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "no name yet"), ("  ", "no name yet"), ("a\nb", "cannot be used"), ("x" * 81, "cannot be used")],
)
def test_bad_names_are_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(WorkspaceError, match=said):
        Workspace(tmp_path).create_project(name)


@pytest.mark.parametrize("run_id", ["../../etc", "a/b", "..", "", "*", "x\0y"])
def test_ids_never_leave_their_folder(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(WorkspaceError):
        Workspace(tmp_path).find_run_dir(run_id)


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(WorkspaceError):
        files.inside(tmp_path / "root", "link", "secret")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    files.write_json_atomic(path, {"v": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        files.write_json_atomic(path, {"v": 2})
    assert json.loads(path.read_text()) == {"v": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(WorkspaceError, match=r"b\.json is damaged"):
        files.read_json(tmp_path / "b.json")


def test_what_is_no_folder_of_a_project_is_no_project(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    project = workspace.create_project("a")
    for name in (".DS_Store", "desktop.ini", "Thumbs.db"):
        (workspace.projects_dir / name).write_text("{")
    for name in (".Trash-1000", "__MACOSX"):
        (workspace.projects_dir / name).mkdir()
    assert workspace.list_projects() == [project]
    assert workspace.list_damaged_projects() == []
    assert workspace.find_project("desktop.ini") is None
    with pytest.raises(WorkspaceError) as caught:
        workspace.repair_project("desktop.ini")
    assert caught.value.key == "workspace.no_project"


def test_deleting_a_project_leaves_the_others(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    gone, stays = workspace.create_project("a"), workspace.create_project("b")
    workspace.delete_project(gone)
    assert workspace.list_projects() == [stays]
    assert not gone.path.exists()

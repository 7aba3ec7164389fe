"""A folder that outlives the disk: what is closed is copied, what is open is not, what comes back is whole."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from app.shell.bucket_thread import Copier, forgets_at_restart, start_copies
from core.base.errors import WorkspaceError
from core.runs.bucket_copy import COPIED, BucketCopy
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.summaries import list_summaries
from core.tasks.store import annotation_path, list_tasks
from core.workspace import Project, Workspace
from tests.toy_project import build_toy_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = build_toy_project(tmp_path / "work", rows=40)
    (tmp_path / "work" / "browser.key").write_text("k", encoding="ascii")
    return project


def make_run(project: Project, run_id: str, done: bool) -> RunFolder:
    """The files of a run as its worker leaves them."""
    folder = RunFolder(project.runs_dir / run_id)
    (folder.checkpoints_dir / "step-00000004").mkdir(parents=True)
    (folder.checkpoints_dir / "step-00000004" / "state.json").write_text("{}", encoding="utf-8")
    (folder.checkpoints_dir / ".step-00000008.part").mkdir()
    (folder.checkpoints_dir / ".step-00000008.part" / "half").write_text("x", encoding="utf-8")
    folder.data_dir.mkdir()
    folder.frozen_dir.mkdir()
    (folder.frozen_dir / "skills.safetensors").write_bytes(b"taken over")
    folder.adapter_dir.mkdir()
    for name in ("events.jsonl", "worker.lock", "worker.log", "heartbeat", "config.yaml", "launch.json"):
        (folder.path / name).write_text("{}", encoding="utf-8")
    (folder.adapter_dir / "adapter.safetensors").write_bytes(b"weights")
    folder.write_run({"run_id": run_id, "name": run_id, "tasks": []})
    from core.runs.states import RunStatus

    folder.write_status(RunStatus(state="running", stage="stage1", step=4))
    if done:
        folder.write_done({"state": "succeeded", "ended": 1.0, "files": {"adapter/adapter.safetensors": 7}})
    return folder


def back(tmp_path: Path) -> Workspace:
    """The workspace after the disk was emptied."""
    shutil.rmtree(tmp_path / "work")
    workspace = Workspace(tmp_path / "work")
    BucketCopy(workspace.root, tmp_path / "bucket").restore()
    return workspace


def test_everything_that_is_closed_comes_back(project: Project, tmp_path: Path) -> None:
    make_run(project, "r1", done=True)
    make_run(project, "r2", done=False)
    asked = annotation_path(project, list_tasks(project)[0].task_id)
    asked.parent.mkdir()
    asked.write_text('{"open": 1}', encoding="utf-8")
    asked.with_name(f".{asked.name}.half").write_text("x", encoding="utf-8")
    before = [spec.as_dict() for spec in list_tasks(project)]
    BucketCopy(tmp_path / "work", tmp_path / "bucket").copy_closed()
    workspace = back(tmp_path)
    restored = workspace.get_project("toy")
    assert [spec.as_dict() for spec in list_tasks(restored)] == before
    assert (workspace.root / "browser.key").read_text(encoding="ascii") == "k"
    assert [(p.name, p.read_text("utf-8")) for p in asked.parent.iterdir()] == [(asked.name, '{"open": 1}')]
    ended, open_run = (RunFolder(restored.runs_dir / name) for name in ("r1", "r2"))
    assert run_state(ended).state == "succeeded"
    assert (ended.adapter_dir / "adapter.safetensors").read_bytes() == b"weights"
    assert run_state(open_run).state == "interrupted"
    assert (open_run.frozen_dir / "skills.safetensors").read_bytes() == b"taken over"  # or it is resumed without
    assert (open_run.checkpoints_dir / "step-00000004" / "state.json").is_file()
    assert {run.run_id for run in list_summaries(restored)} == {"r1", "r2"}


def test_what_is_open_is_not_copied(project: Project, tmp_path: Path) -> None:
    make_run(project, "r1", done=True)
    make_run(project, "r2", done=False)
    list_summaries(project)  # makes the database
    assert (tmp_path / "work" / "runs.db").is_file()
    BucketCopy(tmp_path / "work", tmp_path / "bucket").copy_closed()
    names = [p.name for p in (tmp_path / "bucket").rglob("*") if p.is_file()]
    never = {"worker.lock", "worker.log", "heartbeat", "half"}
    assert not [n for n in names if n.startswith("runs.db") or n in never]
    of_open = [p.name for p in (tmp_path / "bucket").glob("taskloom/projects/*/r2/**/*")]
    assert "config.yaml" in of_open
    assert "events.jsonl" not in of_open


def test_nothing_new_is_nothing_copied_and_a_change_is_copied_alone(project: Project, tmp_path: Path) -> None:
    copy = BucketCopy(tmp_path / "work", tmp_path / "bucket")
    assert len(copy.copy_closed()) == 4
    assert copy.copy_closed() == []
    task = next(iter(sorted(project.tasks_dir.iterdir())))
    os.utime(task / "task.json")
    assert copy.copy_closed() == [f"projects/{project.project_id}/{task.name}"]
    assert len(list((tmp_path / "bucket").glob(f"taskloom/projects/*/{task.name}/*/{COPIED}"))) == 1


def test_a_deleted_project_stays_deleted(project: Project, tmp_path: Path) -> None:
    copy = BucketCopy(tmp_path / "work", tmp_path / "bucket")
    copy.copy_closed()
    Workspace(tmp_path / "work").delete_project(project)
    copy.copy_closed()
    assert not list((tmp_path / "bucket").rglob("*.jsonl"))
    assert back(tmp_path).list_projects() == []


def test_a_bucket_that_refuses_to_delete_does_not_bring_a_project_back(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = BucketCopy(tmp_path / "work", tmp_path / "bucket")
    copy.copy_closed()
    Workspace(tmp_path / "work").delete_project(project)
    with monkeypatch.context() as patch:
        patch.setattr("core.runs.bucket_copy.shutil.rmtree", lambda *_, **__: None)
        copy.copy_closed()
    assert list((tmp_path / "bucket").rglob("train.jsonl"))
    assert back(tmp_path).list_projects() == []


def test_an_empty_disk_deletes_no_copy(project: Project, tmp_path: Path) -> None:
    BucketCopy(tmp_path / "work", tmp_path / "bucket").copy_closed()
    shutil.rmtree(tmp_path / "work")
    BucketCopy(tmp_path / "work", tmp_path / "bucket").copy_closed()
    assert len(back_from(tmp_path).list_projects()) == 1


def back_from(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "work")
    BucketCopy(workspace.root, tmp_path / "bucket").restore()
    return workspace


def test_a_copy_that_broke_off_is_passed_over(project: Project, tmp_path: Path) -> None:
    BucketCopy(tmp_path / "work", tmp_path / "bucket").copy_closed()
    for damaged in (tmp_path / "bucket").rglob("train.jsonl"):
        damaged.write_text("half", encoding="utf-8")
    assert list_tasks(back(tmp_path).get_project("toy")) == []


def test_the_app_copies_by_itself_and_says_when_it_cannot(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TASKLOOM_BUCKET", str(tmp_path / "bucket"))
    copier = start_copies(Workspace(tmp_path / "work"))
    assert isinstance(copier, Copier)
    copier.soon()
    end = time.monotonic() + 20
    while not list((tmp_path / "bucket").rglob(COPIED)) and time.monotonic() < end:
        time.sleep(0.05)
    assert list((tmp_path / "bucket").rglob(COPIED))
    (tmp_path / "file").write_text("", encoding="ascii")
    monkeypatch.setenv("TASKLOOM_BUCKET", str(tmp_path / "file"))
    with pytest.raises(WorkspaceError, match="cannot be written"):
        start_copies(Workspace(tmp_path / "work"))


def test_a_space_without_a_bucket_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not forgets_at_restart()
    monkeypatch.setenv("SPACE_ID", "me/loom")
    assert forgets_at_restart()
    monkeypatch.setenv("TASKLOOM_BUCKET", "/data")
    assert not forgets_at_restart()

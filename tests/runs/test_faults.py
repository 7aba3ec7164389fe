"""Faults that a run must survive or say in words. The worker runs in this process where no kill is needed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors import SafetensorError

from core import worker
from core.base.errors import RunError, WorkspaceError
from core.base.processes import boot_id
from core.runs.creation import create_run
from core.runs.device_lease import lease_holder, run_lease
from core.runs.engines.local import worker_processes
from core.runs.folder import RunFolder
from core.runs.journal import FolderJournal, SilentJournal, read_wish
from core.runs.launching import cancel_run, start_run, stop_run
from core.runs.liveness import run_state
from core.runs.lock import steady_clock, try_lock
from core.runs.rerun import find_remedy
from core.runs.states import RunStatus
from core.training import session
from core.training.config import RunConfig
from core.training.failures import TrainingFailure
from core.workspace import Project
from tests.toy_project import ListJournal, quick_config, quick_run
from tests.watching import ended, wait_for


def raising(error: Exception) -> Any:
    def train_run(*_: Any, **__: Any) -> Any:
        raise error

    return train_run


@pytest.mark.parametrize(
    ("error", "failure", "changes_settings"),
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"), "out_of_memory", True),
        (MemoryError(), "out_of_memory", True),
        (TrainingFailure("nan_loss", "training.nan", value="nan", stage=1, step=3), "nan_loss", True),
        (OSError(28, "No space left on device", "/full"), "disk_full", False),
        (WorkspaceError("workspace.damaged", path="x", detail="y"), "data", False),
        (ZeroDivisionError("a bug"), "unknown", False),
    ],
)
def test_every_failure_has_a_class_words_and_where_possible_a_remedy(
    project: Project,
    tiny_llama: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    failure: str,
    changes_settings: bool,
) -> None:
    folder = quick_run(project, tiny_llama)
    monkeypatch.setattr(session, "train_run", raising(error))
    assert worker.main([str(folder.path)]) == 1
    status = run_state(folder)
    assert (status.state, status.failure) == ("failed", failure)
    (event,) = [e for e in folder.read_events() if e["kind"] == "error"]
    assert (event["key"], event["values"]) == (status.message_key, status.message_values)
    remedy = find_remedy(folder)
    assert (remedy is not None and bool(remedy.changes)) is changes_settings
    assert (remedy is None) is (failure == "data")
    with pytest.raises(RunError):
        start_run(folder)


@pytest.mark.parametrize("note", ["core.insight.skill_drafts.write_drafts", "core.worker.learn_speed"])
def test_a_note_that_fails_after_the_training_leaves_the_run_as_it_is(
    note: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "home" / "projects" / "p" / "runs" / "r1")
    folder.path.mkdir(parents=True)
    monkeypatch.setattr(session, "train_run", lambda *_: SimpleNamespace(stopped_early=False))
    monkeypatch.setattr(note, raising(KeyError("cells")))
    end = worker._train_here(folder, RunConfig(), SilentJournal(folder), 0, 1)
    assert end[0] == "succeeded"
    assert "KeyError: 'cells'" in capfd.readouterr().err


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), SafetensorError("torn"), MemoryError()])
def test_a_router_that_cannot_be_learned_is_said_and_the_run_stands(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "home" / "projects" / "p" / "runs" / "r1")
    folder.path.mkdir(parents=True)
    monkeypatch.setattr(RunFolder, "read_run", lambda _: {"tasks": ["mails", "bills"]})
    monkeypatch.setattr(session, "train_run", lambda *_: SimpleNamespace(stopped_early=False))
    monkeypatch.setattr("core.chat.learning_router.learn_router", raising(error))
    journal = ListJournal()
    assert worker._train_here(folder, RunConfig(learn_router=True), journal, 0, 1)[0] == "succeeded"
    detail = str(error) or "MemoryError"
    (said,) = journal.of("notice")
    assert (said["key"], said["values"]) == ("chat.no_router_yet", {"detail": detail})


def test_a_full_disk_while_an_event_is_written_ends_the_run_in_words(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = quick_run(project, tiny_llama)

    def train_run(paths: Any, config: Any, journal: Any, *_: Any) -> Any:
        journal.event("loss", step=1)
        monkeypatch.setattr("core.runs.events.os.pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        journal.event("loss", step=2)

    monkeypatch.setattr(session, "train_run", train_run)
    with pytest.raises(WorkspaceError):  # even the last words cannot be written
        worker.main([str(folder.path)])
    monkeypatch.undo()
    assert [e["step"] for e in folder.read_events() if e["kind"] == "loss"] == [1]
    assert run_state(folder).state in ("failed", "interrupted")


def test_a_success_without_its_files_is_not_shown_as_one(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = quick_run(project, tiny_llama)

    def train_run(*_: Any) -> session.Outcome:
        folder.adapter_dir.mkdir()
        (folder.adapter_dir / "adapter.safetensors").write_bytes(b"weights")
        folder.results_path.write_text("{}", encoding="utf-8")
        return session.Outcome(False)

    monkeypatch.setattr(session, "train_run", train_run)
    assert worker.main([str(folder.path)]) == 0
    assert run_state(folder).state == "succeeded"
    (folder.adapter_dir / "adapter.safetensors").write_bytes(b"")
    assert (run_state(folder).state, run_state(folder).failure) == ("failed", "data")


def test_between_the_final_marker_and_the_status_a_reader_sees_the_whole_end(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = quick_run(project, tiny_llama)
    monkeypatch.setattr(session, "train_run", raising(MemoryError()))
    seen: list[RunStatus] = []
    write_done = RunFolder.write_done

    def look(self: RunFolder, values: dict[str, Any]) -> None:
        write_done(self, values)
        seen.append(run_state(self))

    monkeypatch.setattr(RunFolder, "write_done", look)
    worker.main([str(folder.path)])
    (early,), late = seen, run_state(folder)
    assert (early.state, early.failure, early.message_key, early.message_values) == (
        late.state,
        late.failure,
        late.message_key,
        late.message_values,
    )
    assert late.message_key == "training.out_of_memory"


@pytest.mark.usefixtures("sleepers")
def test_a_worker_killed_before_its_first_word_is_seen(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    start_run(folder)
    (process,) = worker_processes(folder)
    process.kill()
    began = time.monotonic()
    assert wait_for(folder, ended).state == "interrupted"
    assert time.monotonic() - began < 2.0


@pytest.mark.usefixtures("sleepers")
def test_a_worker_that_was_asked_to_end_and_stands_still_is_ended(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = quick_run(project, tiny_llama)
    start_run(folder)
    folder.write_status(RunStatus(state="running", stage="stage1"))
    folder.beat(moved=steady_clock() - 1000.0)
    assert run_state(folder).state == "stalled"
    folder.cancel_path.touch()
    assert run_state(folder).state == "cancelled"
    assert worker_processes(folder) == []


def test_a_workspace_that_cannot_be_written_is_said_before_anything_starts(
    project: Project, tiny_llama: Path
) -> None:
    project.runs_dir.rmdir()
    project.runs_dir.write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(WorkspaceError):
        create_run(project, quick_config(tiny_llama))


@pytest.mark.usefixtures("sleepers")
def test_stop_and_keep_takes_an_interrupted_run_up_once_more(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    folder.write_status(RunStatus(state="running", stage="stage1"))
    assert run_state(folder).state == "interrupted"
    with pytest.raises(RunError):
        stop_run(folder)  # nothing was saved yet, so there is nothing to keep
    (folder.checkpoints_dir / "step-00000005").mkdir(parents=True)
    assert stop_run(folder).is_live
    assert folder.stop_path.exists()


@pytest.mark.usefixtures("sleepers")
def test_a_hung_worker_that_is_stopped_is_ended_and_keeps_what_was_saved(
    project: Project, tiny_llama: Path
) -> None:
    folder = quick_run(project, tiny_llama)
    start_run(folder)
    folder.write_status(RunStatus(state="running", stage="stage1", step=6))
    beat = {"time": 0.0, "steady": steady_clock() - 60.0, "moved": steady_clock() - 60.0, "boot": boot_id()}
    folder.heartbeat_path.write_text(json.dumps(beat), encoding="ascii")
    assert run_state(folder).state == "stalled"
    (folder.checkpoints_dir / "step-00000005").mkdir(parents=True)
    stop_run(folder)
    status = run_state(folder)
    assert (status.state, status.message_key) == ("interrupted", "run.was_hung")
    assert worker_processes(folder) == []
    assert list(folder.checkpoints_dir.iterdir())
    assert stop_run(folder).is_live  # taken up once more, to keep what was saved


def test_a_stopped_run_that_waits_for_the_device_keeps_what_it_has(project: Project, tiny_llama: Path) -> None:
    other, folder = quick_run(project, tiny_llama), quick_run(project, tiny_llama)
    folder.stop_path.touch()
    busy = run_lease(other, "training")
    journal: Any = SimpleNamespace(wish=lambda: read_wish(folder), progress=lambda **_: busy.release())
    with busy, pytest.raises(worker.RunCancelled):  # nothing to keep
        worker._wait_for_device(folder, journal, "cpu")
    (folder.checkpoints_dir / "step-00000005").mkdir(parents=True)
    with busy, worker._wait_for_device(folder, journal, "cpu"):
        assert (lease_holder(folder.workspace_dir, "cpu") or {})["name"] == folder.run_id


@pytest.mark.usefixtures("sleepers")
def test_stop_now_ends_a_worker_at_once(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    start_run(folder)
    folder.write_status(RunStatus(state="running", stage="stage1"))
    assert stop_run(folder, now=True).state == "interrupted"
    assert cancel_run(folder, now=True).state == "cancelled"


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0 * 365])
def test_a_clock_jump_changes_nothing_but_the_times_people_read(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    folder = quick_run(project, tiny_llama)
    lock, real = try_lock(folder.lock_path), time.time
    assert lock is not None
    journal = FolderJournal(folder)
    try:
        for step in range(4):
            if step == 2:
                monkeypatch.setattr(time, "time", lambda: real() + jump)
            journal.event("loss", step=step)
            journal.progress(state="running", stage="stage1", step=step, eta_s=10.0)
            journal.flush()
            folder.beat(steady_clock())
            status = run_state(folder)
            assert (status.state, status.step, status.stalled_s) == ("running", step, None)
        assert [e["step"] for e in folder.read_events(2) if e["kind"] == "loss"] == [1, 2, 3]
    finally:
        journal.close()
        os.close(lock)
    assert run_state(folder).state == "interrupted"  # its death is seen all the same

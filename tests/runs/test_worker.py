"""Real worker processes: start, watch, kill, stop, cancel, resume, queue."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.base.errors import RunError
from core.base.processes import child_environment
from core.runs.creation import delete_run, list_runs
from core.runs.device_lease import lease_holder
from core.runs.engines.local import worker_processes
from core.runs.launching import cancel_run, kill_run, resume_run, start_run, stop_run
from core.runs.liveness import run_state
from core.runs.queue_db import RunQueue
from core.workspace import Project
from tests.toy_project import quick_run
from tests.watching import ended, trains, wait_for

LONG: dict[str, Any] = {"max_steps": 100_000, "evaluate_every": 50, "checkpoint_every": 5, "log_every": 5}


def test_a_run_from_start_to_exam_in_its_own_process(project: Project, tiny_llama: Path) -> None:
    os.environ["TASKLOOM_SECRET_TOKEN"] = "not for workers"
    folder = quick_run(project, tiny_llama, learn_router=True)
    assert run_state(folder).state == "draft"
    start_run(folder)
    assert run_state(folder).is_live  # from the first moment on
    (worker,) = worker_processes(folder)
    assert "TASKLOOM_SECRET_TOKEN" not in worker.environ()
    with pytest.raises(RunError):
        start_run(folder)
    status = wait_for(folder, ended)
    assert (status.state, status.failure) == ("succeeded", None), folder.read_log()
    done = folder.read_done()
    assert done is not None
    assert all((folder.path / name).stat().st_size == size for name, size in done["files"].items())
    events = folder.read_events()
    assert [e["id"] for e in events] == list(range(1, len(events) + 1))
    assert [e["state"] for e in events if e["kind"] == "state"][-2:] == ["running", "succeeded"]
    results = folder.read_results()
    assert results is not None
    assert results["mean"]["tuned"] is not None
    assert folder.router_path.is_file(), folder.read_log()  # learned by the worker, behind the exam
    assert [e for e in events if e["kind"] == "notice"] == []
    for forbidden in (start_run, resume_run, cancel_run, stop_run):
        with pytest.raises(RunError):
            forbidden(folder)
    assert run_state(folder).state == "succeeded"


def test_kill_is_seen_at_once_and_the_run_resumes(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama, **LONG)
    start_run(folder)
    wait_for(folder, lambda s: trains(s) and any(folder.checkpoints_dir.glob("step-*")))
    (worker,) = worker_processes(folder)
    worker.kill()
    killed = time.monotonic()
    status = wait_for(folder, ended)
    assert time.monotonic() - killed < 2.0
    assert (status.state, status.message_key) == ("interrupted", "run.was_interrupted")
    assert RunQueue(folder.workspace_dir).waiting() == []
    resume_run(folder)
    wait_for(folder, trains)
    (resumed,) = [e for e in folder.read_events() if e["kind"] == "resume"]
    assert resumed["step"] >= 5
    stop_run(folder)
    status = wait_for(folder, ended)
    assert (status.state, status.stopped_early) == ("succeeded", True)
    assert (folder.adapter_dir / "adapter.safetensors").exists()


def test_cancel_discards(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama, **LONG)
    start_run(folder)
    wait_for(folder, trains)
    assert cancel_run(folder).state == "stopping"
    assert wait_for(folder, ended).state == "cancelled"
    assert not folder.adapter_dir.exists()
    delete_run(folder)
    assert list_runs(project) == []


def test_a_hung_worker_is_shown_as_stalled_and_can_be_ended(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.liveness.HUNG_AFTER_S", 1.5)
    folder = quick_run(project, tiny_llama, **LONG)
    start_run(folder)
    wait_for(folder, trains)
    (worker,) = worker_processes(folder)
    worker.suspend()
    stalled = wait_for(folder, lambda s: s.state == "stalled")
    assert stalled.stalled_s is not None
    assert stalled.stalled_s > 1.5
    cancel_run(folder)
    assert kill_run(folder).state == "cancelled"
    assert not psutil.pid_exists(worker.pid) or worker.status() == psutil.STATUS_ZOMBIE


def test_one_run_a_device_and_the_others_wait_in_order(project: Project, tiny_llama: Path) -> None:
    first, second, third = (quick_run(project, tiny_llama, **LONG) for _ in range(3))
    start_run(first)
    wait_for(first, lambda s: s.state in ("starting", "running"))
    start_run(second)
    start_run(third)
    assert wait_for(second, lambda s: s.message_key == "run.waiting_for").message_values["name"] == "Run 1"
    assert [run_state(f).queue_place for f in (second, third)] == [1, 2]
    queue = RunQueue(first.workspace_dir)
    queue.move(third.run_id, 1)
    assert [run_state(f).queue_place for f in (second, third)] == [2, 1]
    cancel_run(first)
    wait_for(third, lambda s: s.state in ("starting", "running"))
    assert run_state(second).state == "queued"
    holder = lease_holder(first.workspace_dir, "cpu")
    assert holder is not None
    assert holder["name"] == third.run_id
    cancel_run(second)
    assert wait_for(second, ended).state == "cancelled"
    assert queue.waiting() == []


def test_a_start_token_makes_a_double_click_harmless(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama, **LONG)
    start_run(folder, token="click-1")
    assert start_run(folder, token="click-1").is_live
    assert len(worker_processes(folder)) == 1


def test_a_broken_model_ends_as_failed_in_words(project: Project, tiny_llama: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_llama.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    folder = quick_run(project, broken)
    (broken / "model.safetensors").write_bytes(b"no tensors here")
    start_run(folder)
    status = wait_for(folder, ended)
    assert (status.state, status.failure) == ("failed", "model"), status
    (error,) = [e for e in folder.read_events() if e["kind"] == "error"]
    assert error["key"] == status.message_key
    assert "Traceback" in error["trace"]


def test_sigterm_saves_a_checkpoint_and_leaves_the_run_resumable(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama, **{**LONG, "checkpoint_every": 100_000})
    start_run(folder)
    wait_for(folder, trains)
    (worker,) = worker_processes(folder)
    worker.terminate()
    status = wait_for(folder, ended)
    assert (status.state, status.message_key) == ("interrupted", "run.was_paused")
    assert len(list(folder.checkpoints_dir.glob("step-*"))) == 1


def test_a_pid_of_another_process_is_never_taken_for_the_worker(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    own = psutil.Process()
    launch = {"pid": own.pid, "create_time": own.create_time() - 100, "command": []}
    folder.launch_path.write_text(json.dumps(launch), encoding="utf-8")
    assert worker_processes(folder) == []


def test_a_worker_is_told_how_many_programs_to_keep_unless_somebody_else_has_said_so(monkeypatch) -> None:
    """oneDNN alone keeps a thousand, more than a gigabyte of a long run."""
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    assert child_environment()[name] == "128"
    monkeypatch.setenv(name, "1024")
    assert child_environment()[name] == "1024"

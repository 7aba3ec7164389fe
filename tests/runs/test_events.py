"""The event file, the queue and the list of runs, without any worker."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from core.base.errors import RunError, WorkspaceError
from core.runs.creation import create_run, delete_run, list_runs, update_run
from core.runs.device_lease import DeviceLease, lease_device, lease_holder
from core.runs.events import EventWriter, last_event_id, read_events
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run
from core.runs.liveness import run_state
from core.runs.lock import is_locked, try_lock
from core.runs.queue_db import RunQueue
from core.runs.states import RunStatus
from core.workspace import Project
from tests.toy_project import build_toy_project, quick_config, quick_run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_toy_project(tmp_path)


def written(path: Path, count: int) -> Path:
    writer = EventWriter(path)
    for step in range(count):
        writer.write("loss", {"step": step, "text": "一二" * (step % 7)})
    writer.close()
    return path


def test_a_cursor_gets_what_is_newer_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", 3000)
    assert path.stat().st_size > 65_536  # several blocks, so that the bisection is used
    for cursor in (0, 1, 1499, 2999, 3000):
        ids = [e["id"] for e in read_events(path, cursor)]
        assert ids == list(range(cursor + 1, 3001))
    assert [e["id"] for e in read_events(path, 10, limit=2)] == [11, 12]
    assert read_events(tmp_path / "none.jsonl") == []


def test_polling_a_long_file_costs_little(tmp_path: Path) -> None:
    path = written(tmp_path / "events.jsonl", 20_000)
    began = time.process_time()
    for _ in range(20):
        assert len(read_events(path, 19_990)) == 10
    assert (time.process_time() - began) / 20 < 0.01


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_is_hidden_and_cut_off(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "events.jsonl", 5)
    os.truncate(path, path.stat().st_size - cut)
    assert [e["id"] for e in read_events(path)] == [1, 2, 3, 4]
    assert last_event_id(path) == 4
    writer = EventWriter(path)
    assert writer.write("state", {"state": "running"}) == 5
    writer.close()
    assert [e["kind"] for e in read_events(path)] == ["loss"] * 4 + ["state"]


def test_a_full_disk_leaves_whole_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventWriter(tmp_path / "events.jsonl")
    writer.write("loss", {"step": 1})
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda f, data, at: real(f, data[:7], at))
    with pytest.raises(WorkspaceError) as caught:
        writer.write("loss", {"step": 2})
    assert caught.value.key == "run.disk_full"
    monkeypatch.undo()
    assert writer.write("loss", {"step": 2}) == 2
    writer.close()
    assert [e["step"] for e in read_events(tmp_path / "events.jsonl")] == [1, 2]


def test_locks_are_seen_and_freed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = try_lock(path)
    assert held is not None
    assert is_locked(path)
    assert try_lock(path) is None
    os.close(held)
    assert not is_locked(path)


def test_a_lease_names_its_holder(tmp_path: Path) -> None:
    with DeviceLease(tmp_path, "cpu", "training", "run 1"):
        holder = lease_holder(tmp_path, "cpu")
        assert holder is not None
        assert (holder["purpose"], holder["name"]) == ("training", "run 1")
        with pytest.raises(RunError) as caught, DeviceLease(tmp_path, "cpu", "chat", "run 2"):
            pass
        assert "run 1" in str(caught.value)
    assert lease_holder(tmp_path, "cpu") is None
    assert lease_device("cpu") == "cpu"


def test_a_run_is_created_listed_changed_and_deleted(project: Project, tiny_llama: Path) -> None:
    first = create_run(project, quick_config(tiny_llama), ["direct"])
    second = quick_run(project, tiny_llama)
    assert [f.run_id for f in list_runs(project)] == sorted([first.run_id, second.run_id], reverse=True)
    assert [t["name"] for t in first.read_run()["tasks"]] == ["direct"]
    assert {f.read_run()["name"] for f in (first, second)} == {"Run 1", "Run 2"}
    assert first.read_config() == quick_config(tiny_llama)
    update_run(first, name="The first", notes="good", starred=True)
    assert first.read_run()["name"] == "The first"
    with pytest.raises(RunError):
        update_run(first, tasks=[])
    delete_run(first)
    assert [f.run_id for f in list_runs(project)] == [second.run_id]


def test_a_run_with_problems_is_refused_with_all_of_them(project: Project, tiny_llama: Path) -> None:
    with pytest.raises(RunError) as caught:
        create_run(project, quick_config(tiny_llama, device="cuda", base_model="/nowhere/at/all"))
    assert [p["field"] for p in caught.value.values["problems"]] == ["base_model", "device"]
    assert list_runs(project) == []


def test_terminal_states_never_change(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    assert cancel_run(folder).state == "cancelled"
    with pytest.raises(WorkspaceError):
        folder.write_done({"state": "succeeded"})
    folder.write_status(RunStatus(state="running"))
    assert run_state(folder).state == "cancelled"


def test_a_dead_worker_is_found_without_a_process(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    folder.write_status(RunStatus(state="running", stage="stage1", step=3))
    assert run_state(folder).state == "interrupted"
    assert folder.read_status().state == "interrupted"


def test_an_old_status_cannot_be_mistaken_after_a_clock_jump(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    held = try_lock(folder.lock_path)
    assert held is not None
    folder.write_status(RunStatus(state="running"))
    folder.beat(moved=__import__("core.runs.lock", fromlist=["steady_clock"]).steady_clock())
    status = json.loads(folder.status_path.read_text(encoding="utf-8"))
    folder.status_path.write_text(json.dumps({**status, "updated": 5.0}), encoding="utf-8")  # an hour, or 50 years
    assert run_state(folder).state == "running"
    os.close(held)


def test_the_queue_keeps_its_order_under_many_hands(tmp_path: Path) -> None:
    queue = RunQueue(tmp_path)
    folders = [tmp_path / "projects" / "p" / "runs" / f"r{i:03d}" for i in range(40)]
    for folder in folders:
        folder.mkdir(parents=True)
    threads = [threading.Thread(target=queue.enqueue, args=(folder, "cpu")) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiting = queue.waiting("cpu")
    assert sorted(waiting) == [f.resolve() for f in folders]
    queue.enqueue(waiting[5], "cpu")  # a second time changes nothing
    assert queue.waiting("cpu") == waiting
    queue.move(waiting[7].name, 1)
    assert queue.waiting("cpu")[0] == waiting[7]
    queue.dequeue(waiting[7].name)
    assert len(queue.waiting()) == 39
    with pytest.raises(RunError):
        queue.move(waiting[7].name, 1)


def test_one_token_starts_one_run_whoever_is_first(tmp_path: Path) -> None:
    queue = RunQueue(tmp_path)
    runs = [tmp_path / f"r{i}" for i in range(8)]
    for run in runs:
        run.mkdir()
    results: list[Path | None] = []
    threads = [threading.Thread(target=lambda r=r: results.append(queue.claim_token("t", r))) for r in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(None) == 1
    assert len({r for r in results if r is not None}) == 1


def test_a_read_only_run_can_still_be_watched(project: Project, tiny_llama: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    folder = quick_run(project, tiny_llama)
    folder.write_status(RunStatus(state="running"))
    folder.path.chmod(0o500)
    try:
        assert RunFolder(folder.path).read_run()["run_id"] == folder.run_id
    finally:
        folder.path.chmod(0o700)

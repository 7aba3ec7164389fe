"""Several processes for one run on this machine: same result as one, one end for all, nobody left behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from core import worker
from core.base.errors import RunError
from core.base.processes import boot_id
from core.runs import ranks
from core.runs.creation import list_runs
from core.runs.engines.local import worker_processes
from core.runs.folder import RunFolder
from core.runs.launching import kill_run, resume_run, start_run, stop_run
from core.runs.liveness import run_state
from core.runs.ranks import join_machine, read_end, read_ranks, write_end
from core.workspace import Project
from tests.toy_project import build_toy_project, quick_run
from tests.watching import ended, trains, wait_for

LONG: dict[str, Any] = {"max_steps": 100_000, "evaluate_every": 50, "checkpoint_every": 5, "num_processes": 2}


@pytest.fixture
def project(tmp_path: Path) -> Any:
    project = build_toy_project(tmp_path)
    yield project
    for folder in list_runs(project):
        if run_state(folder).is_live:
            kill_run(folder)


def adapter(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.adapter_dir / "adapter.safetensors")


def test_two_processes_give_the_result_of_one(project: Project, tiny_llama: Path) -> None:
    changes: dict[str, Any] = {"exam_rows": 2, "precision": "float32"}
    one = quick_run(project, tiny_llama, accumulation=2, **changes)
    two = quick_run(project, tiny_llama, num_processes=2, **changes)
    start_run(two)
    assert worker.main([str(one.path)]) == 0  # in this process, after the other or before
    assert wait_for(two, ended).state == "succeeded", two.read_log()
    first, second = adapter(one), adapter(two)
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], rtol=1e-3, atol=1e-5), name
    losses = [[e["loss"] for e in f.read_events() if e["kind"] == "loss"] for f in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    assert two.read_results() is not None


def process_tree(folder: RunFolder) -> list[psutil.Process]:
    processes = worker_processes(folder)
    assert len(processes) >= 4  # the worker, torchrun's agent, two ranks
    return processes


def assert_all_gone(processes: list[psutil.Process]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and any(_alive(p) for p in processes):
        time.sleep(0.1)
    assert not [p for p in processes if _alive(p)]


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["rank", "agent", "worker"])
def test_whoever_is_killed_nobody_is_left_and_the_run_resumes(
    project: Project, tiny_llama: Path, victim: str
) -> None:
    folder = quick_run(project, tiny_llama, **LONG)
    start_run(folder)
    wait_for(folder, lambda s: trains(s) and any(folder.checkpoints_dir.glob("step-*")))
    processes = process_tree(folder)
    by_role = {
        "worker": processes[0],
        "agent": next(p for p in processes if "torch.distributed.run" in p.cmdline()),
        "rank": psutil.Process(read_ranks(folder)[1]["pid"]),
    }
    by_role[victim].kill()
    status = wait_for(folder, ended)
    assert status.state == "interrupted", status
    assert_all_gone(processes)
    if victim == "rank":
        resume_run(folder)
        wait_for(folder, trains)
        assert [e for e in folder.read_events() if e["kind"] == "resume"]
        stop_run(folder)
        status = wait_for(folder, ended)
        assert (status.state, status.stopped_early) == ("succeeded", True), folder.read_log()


def test_the_strongest_end_of_any_rank_counts(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    for rank in range(2):
        (folder.path / f"rank-{rank}.json").write_text('{"pid": 1, "create_time": 0}', encoding="utf-8")
    assert read_end(folder) is None
    write_end(folder, 0, "succeeded", {"stopped_early": False})
    assert read_end(folder) is None  # the other one has not said a word
    write_end(folder, 1, "failed", {"failure": "out_of_memory"})
    assert read_end(folder) == ("failed", {"failure": "out_of_memory"})


@pytest.mark.slow
def test_two_machines_share_a_run(project: Project, tiny_llama: Path) -> None:
    """Both are this machine: what counts is that they meet at the address, share the batches and end together."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    changes: dict[str, Any] = {"exam_rows": 0, "precision": "float32"}
    one = quick_run(project, tiny_llama, accumulation=2, **changes)
    two = quick_run(project, tiny_llama, num_machines=2, rendezvous=address, **changes)
    start_run(two)
    words = ["join", two.run_id, "--machine", "1", "--workspace", str(two.workspace_dir), "--json"]
    joined = subprocess.Popen([sys.executable, "-m", "core", *words], stdout=subprocess.PIPE, text=True)
    status = wait_for(two, ended)
    told = json.loads(joined.communicate(timeout=120)[0])
    assert (status.state, told["exit_code"]) == ("succeeded", 0), two.read_log()
    assert [rank["end"] for rank in read_ranks(two)] == ["succeeded", "succeeded"]
    assert worker.main([str(one.path)]) == 0
    first, second = adapter(one), adapter(two)
    assert all(torch.allclose(t, second[name], rtol=1e-3, atol=1e-5) for name, t in first.items())


def test_processes_of_another_machine_are_never_killed_here(project: Project, tiny_llama: Path) -> None:
    folder, own = quick_run(project, tiny_llama), psutil.Process()
    identity = {"pid": own.pid, "create_time": own.create_time()}
    path = folder.path / "rank-1.json"
    path.write_text(json.dumps({**identity, "boot": "of another machine"}), encoding="utf-8")
    assert worker_processes(folder) == []
    path.write_text(json.dumps({**identity, "boot": boot_id()}), encoding="utf-8")
    assert own.pid in [p.pid for p in worker_processes(folder)]


@pytest.mark.parametrize(("machines", "key", "killed"), [(2, "training.rank_lost", True), (2, "other", False)])
def test_a_machine_that_is_gone_is_not_waited_for(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, machines: int, key: str, killed: bool
) -> None:
    folder = quick_run(project, tiny_llama, num_machines=machines, rendezvous="own:1")
    (folder.path / "rank-0.json").write_text('{"pid": 1, "create_time": 0}', encoding="utf-8")
    write_end(folder, 0, "interrupted", {"message_key": key})
    looks, ends = [None] * 5 + [1], []
    agent = SimpleNamespace(poll=lambda: 1 if ends else looks.pop(0), kill=lambda: ends.append(True))
    monkeypatch.setattr(worker, "start_ranks", lambda *_: agent)
    for name, value in (("QUEUE_POLL_S", 0.01), ("LAST_WORDS_S", 0.02)):
        monkeypatch.setattr(worker, name, value)
    monkeypatch.setattr(ranks, "LAST_WORDS_S", 0.0)
    journal: Any = SimpleNamespace(hand_over=list, take_back=list, terminated=threading.Event())
    assert worker._train_in_ranks(folder, folder.read_config(), journal)[0] == "interrupted"
    assert bool(ends) == killed


@pytest.mark.parametrize("given", [None, "10.0.0.7:4711"])
def test_an_engine_may_say_where_the_machines_meet(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    folder, started = quick_run(project, tiny_llama, num_machines=2, rendezvous="own:1"), []
    monkeypatch.setattr(ranks, "start_beside", started.append)
    if given:
        monkeypatch.setenv(ranks.RENDEZVOUS, given)
    ranks.start_ranks(folder, folder.read_config(), 1)
    words = started[0].command
    host, _, port = (given or "own:1").partition(":")
    assert (words[words.index("--master-addr") + 1], words[words.index("--master-port") + 1]) == (host, port)


def test_a_machine_that_a_run_does_not_have_is_refused(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    for machine in (0, 1, 5):
        with pytest.raises(RunError) as caught:
            join_machine(folder, machine)
        assert caught.value.key == "run.no_machine"

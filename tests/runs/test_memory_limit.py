"""How much memory a run may take: what is refused before the start, what a worker is held to, what is said."""

from __future__ import annotations

import errno
import json
import resource
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from core import worker
from core.__main__ import main as command_line
from core.base.errors import RunError, SettingError
from core.base.memory import machine_memory_mb, memory_bound, memory_kills
from core.messages import english
from core.runs.creation import list_runs
from core.runs.launching import resume_run
from core.runs.liveness import run_state
from core.runs.memory_limit import FLOOR_MB, memory_limit_mb
from core.runs.ready import ready_report, start_rehearsal
from core.runs.rerun import find_remedy, run_again
from core.runs.states import RunStatus
from core.runs.where import Engine
from core.training.failures import classify
from core.training.trainer import StageTrainer
from core.workspace import Project
from tests.toy_project import build_toy_project, quick_config, quick_run

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's memory are Linux's")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_toy_project(tmp_path)


@pytest.mark.parametrize(
    ("own", "files", "bound"),
    [
        ("0::/\n", {"memory.max": "734003200\n"}, 700),
        ("0::/pod/box\n", {"pod/memory.max": "734003200", "pod/box/memory.max": "max"}, 700),
        ("0::/outside/only\n", {"memory.max": "734003200"}, 700),
        ("4:cpu,memory:/box\n0::/\n", {"memory/box/memory.limit_in_bytes": "734003200"}, 700),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": "x"}, None),
        ("", {}, None),
    ],
)
def test_a_container_s_bound_is_read(own: str, files: dict[str, str], bound: int | None, tmp_path: Path) -> None:
    groups, named = tmp_path / "groups", tmp_path / "own"
    named.write_text(own)
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text)
    assert machine_memory_mb(groups, named) == (bound or psutil.virtual_memory().total >> 20)


def test_the_bound_is_the_quota_s_or_leaves_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, most in ((8192, 8192 - FLOOR_MB), (1024, 896)):
        monkeypatch.setattr("core.runs.memory_limit.machine_memory_mb", lambda machine=machine: machine)
        assert memory_limit_mb() == most
    monkeypatch.setenv("TASKLOOM_QUOTA", "runs=2,memory_mb=3000")
    assert memory_limit_mb() == 3000
    monkeypatch.setenv("TASKLOOM_QUOTA", "memory_mb=0")
    with pytest.raises(SettingError):
        memory_limit_mb()


def test_a_plan_that_needs_more_is_refused_by_every_start_with_what_to_lower(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = quick_config(tiny_llama)
    before = quick_run(project, tiny_llama)
    before.write_status(RunStatus(state="interrupted"))
    assert ready_report(project, config).ready
    monkeypatch.setenv("TASKLOOM_QUOTA", "memory_mb=100")
    report = ready_report(project, config)
    (place,) = [n for n, p in enumerate(report.problems) if p.severity == "error"]
    assert report.problems[place].key == "check.memory_limit"
    elsewhere = ready_report(
        project, config, engine=Engine("far", "slurm")
    )  # of another machine's memory nothing is known
    assert (elsewhere.ready, elsewhere.seconds, elsewhere.memory_mb) == (True, None, None)
    assert [fix.changes for fix in report.fixes[place]] == [{"batch_size": 4, "accumulation": 2}]
    begins: list[Any] = [
        lambda: quick_run(project, tiny_llama),
        lambda: start_rehearsal(project, config),
        lambda: resume_run(before),
        lambda: run_again(before),
    ]
    for begin in begins:
        with pytest.raises(RunError) as refused:
            begin()
        words = " ".join(english(refused.value.key, refused.value.values))
        assert "100 MB" in words
        assert all(word in words for word in ("batch size (now 8)", "longest example (now 96", "base model")), words
    workspace = ["--workspace", str(project.path.parents[1])]
    settings = ["--set", f"base_model={tiny_llama}", "--set", "device=cpu"]
    assert command_line(["train", project.name, *settings, *workspace]) == 2
    assert "one run may take 100 MB here" in capsys.readouterr().err
    assert [folder.run_id for folder in list_runs(project)] == [before.run_id]
    assert not list(project.runs_dir.glob(".rehearsal-*"))


@on_linux
def test_a_worker_is_refused_what_is_above_the_bound_and_says_which_setting(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two gigabytes that nobody writes to cost nothing, and are given where nothing is bounded."""
    plain = StageTrainer.compute_loss

    def compute_loss(self: Any, *given: Any, **named: Any) -> Any:
        torch.empty(2 << 30, dtype=torch.uint8)
        return plain(self, *given, **named)

    folder = quick_run(project, tiny_llama, exam_rows=0)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    own = next(int(line.split()[1]) >> 10 for line in lines if line.startswith("RssAnon"))
    monkeypatch.setenv("TASKLOOM_QUOTA", f"memory_mb={own + 500}")
    monkeypatch.setattr(StageTrainer, "compute_loss", compute_loss)
    assert worker.main([str(folder.path)]) == 1
    status = run_state(folder)
    assert (status.state, status.failure) == ("failed", "out_of_memory"), status
    assert status.message_key
    assert "batch size" in english(status.message_key, status.message_values)[1]
    remedy = find_remedy(folder)
    assert remedy is not None
    assert remedy.changes["batch_size"] == 4
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


@on_linux
def test_the_bound_ends_with_its_block() -> None:
    with memory_bound(1 << 20), pytest.raises(MemoryError):
        bytearray(1 << 30)
    assert len(bytearray(1 << 30)) == 1 << 30


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("std::bad_alloc"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_every_way_to_run_out_is_one_class(error: Exception) -> None:
    assert classify(error, {}).failure == "out_of_memory"


@pytest.mark.parametrize(
    ("more", "log", "key"),
    [
        (1, "", "run.was_out_of_memory"),
        (0, "", "run.was_interrupted"),
        (0, "std::bad_alloc", "run.was_out_of_memory"),
    ],
)
def test_a_worker_that_the_kernel_ended_for_memory_is_told_from_one_that_was_killed(
    project: Project, tiny_llama: Path, more: int, log: str, key: str
) -> None:
    folder = quick_run(project, tiny_llama)
    folder.launch_path.write_text(json.dumps({"pid": 0, "create_time": 0.0, "memory_kills": memory_kills() - more}))
    folder.log_path.write_text(log)
    folder.write_status(RunStatus(state="running"))
    status = run_state(folder)
    assert (status.state, status.message_key) == ("interrupted", key)  # it can be resumed all the same


def test_kills_are_counted_by_the_kernel(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("nr_free_pages 3\noom_kill 7\n")
    assert memory_kills(counters) == 7
    assert memory_kills(tmp_path / "none") == 0

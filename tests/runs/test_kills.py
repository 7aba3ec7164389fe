"""SIGKILL at every moment: what was reported as saved is there, and a resumed run equals the uninterrupted one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from core.base.folders import HIDDEN
from core.runs.engines.local import worker_processes
from core.runs.folder import RunFolder
from core.runs.launching import resume_run, stop_run
from core.runs.liveness import run_state
from core.training.checkpoints import Checkpoint, load_checkpoint, prune_checkpoints, save_checkpoint
from core.training.manifest import TrainingState, check_checkpoint, find_checkpoint
from core.training.stage import StageWatch
from core.workspace import Project, Workspace
from tests.killing import die_after, in_a_child, kill_and_resume, outcome, processor_seconds, same_outcome, train
from tests.toy_project import quick_run
from tests.watching import ended, reconcile_runs, trains, wait_for

LONG: dict[str, Any] = {"max_steps": 100_000, "evaluate_every": 50, "checkpoint_every": 5}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_step(number: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Dies after this step of the whole run, before anything about it is saved or reported."""

    def plan(patch: pytest.MonkeyPatch) -> None:
        original = StageWatch.on_step_end

        def step_end(self: StageWatch, args: Any, state: Any, control: Any, **more: Any) -> Any:
            if self.steps_before + self.first_step + state.global_step == number:
                die()
            return original(self, args, state, control, **more)

        patch.setattr(StageWatch, "on_step_end", step_end)

    return plan


def die_in_exam(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("core.training.session.Examiner.sit", lambda *_: die())


def die_while_saving_the_adapter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("core.training.session.save_adapter", lambda *_: die())


@pytest.fixture(scope="module")
def whole(toy_project: Project, tiny_llama: Path) -> Any:
    folder = quick_run(toy_project, tiny_llama)
    assert in_a_child(lambda: train(folder)) == 0
    return outcome(folder)


@pytest.mark.parametrize(
    ("plan", "resumed_from"),
    [
        (die_at_step(3), None),
        (die_at_step(7), 4),
        (die_at_step(12), 8),
        (die_at_step(13), 12),
        (die_at_step(17), 16),
        (die_while_saving_the_adapter, 18),
        (die_in_exam, 18),
    ],
    ids=["before-a-checkpoint", "stage1", "end-of-stage1", "first-step-of-stage2", "stage2", "saving", "exam"],
)
def test_a_run_killed_anywhere_ends_as_if_nothing_had_happened(
    whole: Any,
    toy_project: Project,
    tiny_llama: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan: Any,
    resumed_from: int | None,
) -> None:
    folder = quick_run(toy_project, tiny_llama)

    def doomed() -> None:
        plan(monkeypatch)
        train(folder)

    assert in_a_child(doomed) == -signal.SIGKILL
    reported = [e for e in folder.read_events() if e["kind"] == "checkpoint"]
    if resumed_from is not None:
        assert reported[-1]["step"] == resumed_from
        assert check_checkpoint(folder.checkpoints_dir / reported[-1]["name"]) == []
    assert in_a_child(lambda: train(folder)) == 0
    assert [e["step"] for e in folder.read_events() if e["kind"] == "resume"] == ([resumed_from] * bool(reported))
    assert same_outcome(outcome(folder), whole)


def test_runs_killed_at_random_moments_end_as_if_nothing_had_happened(
    whole: Any, toy_project: Project, tiny_llama: Path
) -> None:
    """Three rounds of what `tests/benchmarks/kill_and_resume.py` does fifty times."""
    draw, whole_s = random.Random(5), processor_seconds(quick_run(toy_project, tiny_llama))
    rounds = [kill_and_resume(quick_run(toy_project, tiny_llama), draw, whole_s, whole) for _ in range(3)]
    assert all(found.is_same for found in rounds), rounds
    assert any(found.places for found in rounds)  # on a busy machine a run may be through before its time comes
    other = quick_run(toy_project, tiny_llama, seed=1)
    assert in_a_child(lambda: train(other)) == 0
    assert not same_outcome(outcome(other), whole)  # the comparison does see a difference


@pytest.fixture
def quick_disk() -> Iterator[Path]:
    """A folder in memory where there is one: a kill, other than a power cut, does not care what is synced."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


def test_fifty_kills_while_checkpoints_are_written_lose_nothing(quick_disk: Path) -> None:
    """The writer is killed at random moments; after each kill the newest checkpoint it reported, or a newer one, is
    found whole."""
    draw, told, last = random.Random(0), quick_disk / "told", 0
    folder = quick_disk / "checkpoints"

    def write_on() -> None:
        step = last
        while True:
            step += 1
            tensors = {"a": torch.full((400, 100), float(step)), "b": torch.full((3,), float(step))}
            state = TrainingState(stage=1, step=step)
            save_checkpoint(folder, f"step-{step:08d}", Checkpoint(state, tensors, tensors, {"0.m": tensors["a"]}))
            told.write_text(str(step), encoding="ascii")
            prune_checkpoints(folder, 2)

    torn = 0
    for _ in range(50):
        cpu_s = draw.uniform(0.004, 0.05)
        assert in_a_child(lambda cpu_s=cpu_s: (die_after(cpu_s), write_on())) == -signal.SIGPROF
        torn += bool(list(folder.glob(f"{HIDDEN}*")))
        found, problems = find_checkpoint(folder)
        assert problems == []
        if found is None:
            assert not told.exists()
            continue
        checkpoint = load_checkpoint(found)
        last = checkpoint.state.step
        assert last >= int(told.read_text(encoding="ascii") or 0)
        assert all(bool((tensor == last).all()) for tensor in checkpoint.adapter.values())
        assert torch.equal(checkpoint.optimizer["0.m"], checkpoint.adapter["a"])
    assert last > 10
    assert torn > 10  # many of the kills did hit a checkpoint that was being written


APP = """
import sys, time
from core.runs.folder import RunFolder
from core.runs.launching import start_run
start_run(RunFolder(sys.argv[1]))
print("started", flush=True)
time.sleep(600)
"""


def start_from_an_app(folder: RunFolder) -> subprocess.Popen[str]:
    """Another process that starts the run and stays, as the app does."""
    app = subprocess.Popen([sys.executable, "-c", APP, str(folder.path)], stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    assert app.stdout.readline() == "started\n"
    return app


def kill_app(app: subprocess.Popen[str]) -> None:
    app.kill()
    app.wait()
    assert app.stdout is not None
    app.stdout.close()


def test_a_killed_app_does_not_disturb_the_run(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama, exam_rows=2)
    kill_app(start_from_an_app(folder))
    (worker,) = worker_processes(folder)
    assert worker.is_running()
    assert reconcile_runs(Workspace(project.path.parents[1])) == []  # the next app finds it alive and leaves it
    assert wait_for(folder, ended).state == "succeeded", folder.read_log()


def test_app_and_worker_killed_together_are_seen_at_the_next_start(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama, **LONG)
    app = start_from_an_app(folder)
    wait_for(folder, lambda s: trains(s) and any(folder.checkpoints_dir.glob("step-*")))
    (worker,) = worker_processes(folder)
    worker.kill()
    kill_app(app)
    psutil.wait_procs([worker], timeout=10)
    assert folder.read_status().state == "running"  # nobody has looked yet
    assert [f.run_id for f in reconcile_runs(Workspace(project.path.parents[1]))] == [folder.run_id]
    assert run_state(folder).state == "interrupted"
    saved = json.loads((find_checkpoint(folder.checkpoints_dir)[0] / "state.json").read_text())["step"]
    resume_run(folder)
    wait_for(folder, trains)
    assert [e["step"] for e in folder.read_events() if e["kind"] == "resume"] == [saved]
    stop_run(folder)
    assert wait_for(folder, ended).state == "succeeded"

"""Runs as jobs of Slurm: submitit's real scripts, over programs that keep their jobs in a folder of files."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.base.errors import RunError
from core.runs import where
from core.runs.engines import slurm
from core.runs.folder import RunFolder
from core.runs.launchers import Expected
from core.runs.launching import begin_run, cancel_run, kill_run, put_on, resume_run, start_together
from core.runs.liveness import run_state
from core.runs.lock import try_lock
from core.runs.ready import ready_report
from core.workspace import Project
from tests.runs import fake_slurm
from tests.runs.far_walk import Walk
from tests.toy_project import quick_config, quick_run
from tests.watching import ended, wait_for

pytest.importorskip("submitit")
PROGRAMS = ("sbatch", "squeue", "scancel", "srun", "scontrol", "sacct")
SLEEPER = (sys.executable, "-c", "print('sleeps', flush=True); import time; time.sleep(60)")
ENGINE = "cluster: {launcher: slurm, partition: gpu, gpus: 2, cpus: 3, memory_gb: 6, hours: 1.5, setup: 'true'}\n"


@pytest.fixture
def cluster(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a fake Slurm; what is left of its jobs is ended."""
    place = tmp_path / "slurm"
    place.mkdir()
    for name in PROGRAMS:
        shutil.copy(fake_slurm.__file__, place / name)
        (place / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(where, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(where, "_silent", {})
    (project.path.parents[1] / where.FILE).write_text(ENGINE, encoding="utf-8")
    yield place
    (place / "broken").unlink(missing_ok=True)
    for job in sorted((place / "jobs").glob("*.json")):
        slurm._run(("scancel", job.stem), 10.0)


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs whose worker only sleeps."""
    monkeypatch.setattr(slurm, "far_command", lambda *_: SLEEPER)


def start(project: Project, model: Path) -> RunFolder:
    return begin_run(project, quick_config(model), on="cluster")


def job_of(folder: RunFolder) -> str:
    return str(where.read_launch(folder)["job"])


@pytest.mark.usefixtures("asleep")
def test_a_job_says_what_it_needs_and_carries_no_secret(
    project: Project, tiny_llama: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret123")
    monkeypatch.setenv("SLURM_CONF", "/etc/here.conf")
    (cluster / "hold").touch()
    folder = start(project, tiny_llama)
    script = (cluster / "sbatch.txt").read_text()
    wanted = (
        "partition=gpu",
        "gpus-per-node=2",
        "cpus-per-task=3",
        "mem=6GB",
        "time=90",
        "signal=USR2@150",
        "requeue",
    )
    for words in wanted:
        assert words in script
    environment = (cluster / "env.txt").read_text()
    assert "SLURM_CONF=/etc/here.conf" in environment
    kept = [p.read_bytes() for p in folder.path.rglob("*") if p.is_file()]
    assert "hf_secret123" not in environment + script + str(kept)
    status = run_state(folder)
    assert (status.state, status.message_values["why"]) == ("pending", "Resources")
    assert slurm.SlurmLauncher().expect({"tries": 3}) == Expected(waiting=1, limit_s=14400.0, goes_on=3)
    cancel_run(folder)
    assert run_state(folder).state == "cancelled"


@pytest.mark.usefixtures("asleep")
def test_a_job_is_asked_about_ended_and_its_words_are_read(
    project: Project, tiny_llama: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start(project, tiny_llama)
    wait_for(folder, lambda _: "sleeps" in where.read_log(folder))
    assert where.ask(folder).sign == "working"
    (cluster / "broken").touch()
    assert where.ask(folder).sign == "working"  # what it said a moment ago
    monkeypatch.setattr(where, "SILENT_S", 0.0)
    assert run_state(folder).message_key == "run.engine_silent"
    with pytest.raises(RunError, match="does not answer"):
        slurm.SlurmLauncher().cancel(folder, where.read_launch(folder))
    (cluster / "broken").unlink()
    assert kill_run(folder).state == "interrupted"
    resume_run(folder)
    (cluster / "memory").touch()
    slurm.SlurmLauncher().cancel(folder, where.read_launch(folder))
    wait_for(folder, ended)
    assert run_state(folder).message_key == "run.was_out_of_memory"


@pytest.mark.usefixtures("asleep")
def test_runs_that_begin_together_are_one_array(project: Project, tiny_llama: Path, cluster: Path) -> None:
    (project.path.parents[1] / where.FILE).write_text(ENGINE.replace("gpus: 2", "at_once: 2"), encoding="utf-8")
    folders = [quick_run(project, tiny_llama, seed=seed) for seed in range(3)]
    for folder in folders:
        put_on(folder, where.find_engine(project.path.parents[1], "cluster"))
    (cluster / "refuse").touch()
    with pytest.raises(RunError, match="invalid partition"):
        start_together(folders)
    assert {run_state(folder).state for folder in folders} == {"draft"}
    (cluster / "refuse").unlink()
    (cluster / "hold").touch()
    waiting = [quick_run(project, tiny_llama, seed=seed) for seed in range(2)]
    for folder in waiting:
        put_on(folder, where.find_engine(project.path.parents[1], "cluster"))
    start_together(waiting)
    assert slurm.SlurmLauncher().expect({}).waiting == 2
    for folder in waiting:
        cancel_run(folder)
    shutil.rmtree(cluster / "jobs")
    (cluster / "hold").unlink()
    start_together(folders)
    script = (cluster / "sbatch.txt").read_text()
    assert "--array=0-2%2" in script
    assert [job_of(folder) for folder in folders] == ["100_0", "100_1", "100_2"]
    for folder in folders:
        wait_for(folder, lambda _, folder=folder: "sleeps" in where.read_log(folder))  # type: ignore[misc]
    assert kill_run(folders[1]).state == "interrupted"
    assert [where.ask(folder).sign for folder in folders] == ["working", "gone", "working"]
    with pytest.raises(RunError, match="already"):
        start_together(folders)


@pytest.mark.usefixtures("asleep")
def test_processes_get_a_core_and_a_card_each_and_several_machines_are_refused(
    project: Project, tiny_llama: Path, cluster: Path
) -> None:
    (cluster / "hold").touch()
    cancel_run(begin_run(project, quick_config(tiny_llama, num_processes=4), on="cluster"))
    script = (cluster / "sbatch.txt").read_text()
    assert "gpus-per-node=4" in script
    assert "cpus-per-task=4" in script
    several, engine = (
        quick_config(tiny_llama, num_machines=2),
        where.find_engine(project.path.parents[1], "cluster"),
    )
    report = ready_report(project, several, engine=engine)
    assert [p.key for p in report.problems if p.severity == "error"] == ["run.engine_machines"]
    assert [fix.changes for fix in report.fixes[len(report.problems) - 1]] == [{"num_machines": 1}]
    with pytest.raises(RunError, match="runs of one machine"):
        begin_run(project, several, on="cluster")


@pytest.mark.usefixtures("asleep")
def test_a_persons_way_with_jobs_of_slurm(
    project: Project, tiny_llama: Path, cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def hold(waits: bool) -> None:
        (cluster / "hold").touch() if waits else (cluster / "hold").unlink()

    def begin(folder: RunFolder) -> None:
        wait_for(folder, lambda _: "sleeps" in where.read_log(folder))

    Walk(project, tiny_llama, "cluster", hold, begin, where._silent.clear, "sleeps").go(capsys)


def test_a_warned_worker_is_asked_to_save_and_the_same_errand_goes_back_to_the_queue(tmp_path: Path) -> None:
    from core.runs.engines.slurm_job import Errand

    folder, errand = RunFolder(tmp_path), Errand(str(tmp_path), SLEEPER)
    lock = try_lock(folder.lock_path)
    assert lock is not None
    leaves = threading.Timer(0.2, os.close, (lock,))
    leaves.start()
    again = errand.checkpoint()
    assert not leaves.is_alive()  # the worker has left
    assert folder.pause_path.exists()
    assert (again.function, again.args) == (errand, ())


def test_a_refused_job_and_a_machine_without_slurm_are_worded(
    project: Project, tiny_llama: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cluster / "refuse").touch()
    with pytest.raises(RunError, match="invalid partition"):
        start(project, tiny_llama)
    for name in PROGRAMS:
        (cluster / name).unlink()
    with pytest.raises(RunError, match="no program squeue"):
        slurm.SlurmLauncher().expect({})
    with pytest.raises(RunError, match="Slurm"):
        start(project, tiny_llama)
    assert not list(project.runs_dir.glob("r*"))


def test_an_unknown_job_is_gone(project: Project, cluster: Path) -> None:
    assert slurm.SlurmLauncher().alive(RunFolder(project.path), {"job": "7"}).sign == "gone"
    slurm.SlurmLauncher().cancel(RunFolder(project.path), {"job": "7"})


@pytest.mark.slow
def test_a_preempted_run_goes_on_in_the_next_job_and_ends_as_if_nothing_had_happened(
    project: Project, tiny_llama: Path, cluster: Path
) -> None:
    config = quick_config(tiny_llama, max_steps=60, checkpoint_every=5)
    folder = begin_run(project, config, on="cluster")
    try:
        wait_for(folder, lambda status: status.step >= 5)
        os.killpg(int((cluster / f"{job_of(folder)}.step").read_text()), signal.SIGUSR2)
        wait_for(folder, ended)
        assert run_state(folder).state == "succeeded", where.read_log(folder)
        assert "Requeued job" in folder.read_log()
        calm = begin_run(project, config)
        wait_for(calm, ended)
        assert folder.weights_path.read_bytes() == calm.weights_path.read_bytes()
    finally:
        kill_run(folder)


def test_submitits_own_local_executor_runs_the_errand(tmp_path: Path) -> None:
    import submitit

    from core.runs.engines.slurm_job import Errand

    executor = submitit.LocalExecutor(folder=tmp_path / "jobs")
    executor.update_parameters(timeout_min=2)
    job = executor.submit(Errand(str(tmp_path), (sys.executable, "-c", "print('at work'); raise SystemExit(7)")))
    try:
        assert job.result() == 7
        assert "at work" in RunFolder(tmp_path).read_log()
    finally:
        job.cancel()

"""Runs on a Ray cluster of several nodes on this machine; without Ray, what is said about that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import RunError
from core.insight.study import Arm, Study, create_study, read_study, run_study_on
from core.runs import where
from core.runs.creation import create_run
from core.runs.engines import ray_cluster
from core.runs.folder import RunFolder
from core.runs.launching import begin_run, cancel_run, kill_run, resume_run, start_run
from core.runs.liveness import run_state
from core.runs.states import RunStatus
from core.workspace import Project
from tests import watching
from tests.toy_project import quick_config
from tests.watching import ended, wait_for

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install ray)")
STORE = 80 * 2**20
QUICK_DEATH = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every question is asked anew; what speaks with clusters is ended afterwards."""
    monkeypatch.setattr(where, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(where, "_silent", {})
    monkeypatch.setattr(ray_cluster, "_doors", {})
    yield
    for door in ray_cluster._doors.values():
        door.close()


@pytest.fixture
def cluster(project: Project, quick: None) -> Iterator[Any]:
    """A head that takes no runs and two nodes with one processor each."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE, "_system_config": QUICK_DEATH}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        write_engine(project, cluster.address)
        yield cluster
    finally:
        cluster.shutdown()


def write_engine(project: Project, address: str, **more: Any) -> None:
    text = json.dumps({"nodes": {"launcher": "ray", "address": address, **more}})
    (project.path.parents[1] / where.FILE).write_text(text, encoding="utf-8")


def node_of(folder: RunFolder, cluster: Any) -> Any:
    """The node that a run's worker is on, by the process that started it."""
    import psutil

    pid = next(p.pid for p in psutil.process_iter(["cmdline"]) if str(folder.path) in (p.info["cmdline"] or []))
    above = {parent.pid for parent in psutil.Process(pid).parents()}
    return next(n for n in cluster.worker_nodes if n.all_processes["raylet"][0].process.pid in above)


@pytest.mark.slow
@needs_ray
def test_a_run_whose_node_dies_goes_on_on_another_and_ends_as_if_nothing_had_happened(
    project: Project, tiny_llama: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE_S", 400.0)
    config = quick_config(tiny_llama, max_steps=30, checkpoint_every=4)
    folder = begin_run(project, config, on="nodes")
    wait_for(folder, lambda status: status.step >= 9)
    assert where.ask(folder).sign == "working"
    cluster.remove_node(node_of(folder, cluster), allow_graceful=False)
    wait_for(folder, ended)
    assert run_state(folder).state == "succeeded", where.read_log(folder)
    assert [event["step"] >= 4 for event in folder.read_events() if event["kind"] == "resume"] == [True]
    calm = begin_run(project, config)
    wait_for(calm, ended)
    assert folder.weights_path.read_bytes() == calm.weights_path.read_bytes()


@pytest.mark.slow
@needs_ray
def test_a_study_is_spread_over_the_nodes_and_loses_nothing_when_one_dies(
    project: Project, tiny_llama: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE_S", 400.0)
    config = quick_config(tiny_llama, max_steps=30, checkpoint_every=4)
    study = Study("There", config, (Arm("C-Poly", "cpoly"), Arm("LoRA", "lora")), seeds=(0, 1))
    folder = create_study(project, study)
    most, killed = 0, False

    def look(statuses: list[RunStatus]) -> None:
        nonlocal most, killed
        most = max(most, sum(status.state == "running" for status in statuses))
        far = [index for index, status in enumerate(statuses) if status.state == "running" and status.step >= 9]
        if far and not killed:
            killed = True
            run = RunFolder(project.runs_dir / read_study(folder).cells[far[0]].run_id)
            cluster.remove_node(node_of(run, cluster), allow_graceful=False)

    made = run_study_on(project, folder, where.find_engine(project.path.parents[1], "nodes"), look)
    assert (most, killed) == (2, True)
    for cell in made.cells:
        run = RunFolder(project.runs_dir / cell.run_id)
        calm = create_run(project, run.read_config())
        start_run(calm)
        wait_for(calm, ended)
        assert run.weights_path.read_bytes() == calm.weights_path.read_bytes(), cell


@pytest.fixture
def doors(project: Project, quick: None, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A child that answers as `fake_ray_door.py` does in the place of the one that speaks with Ray."""
    monkeypatch.setattr(ray_cluster, "_DOOR", "tests.runs.fake_ray_door")
    monkeypatch.setattr(ray_cluster, "LEAVES_S", 30.0)
    return project


def test_a_run_waits_works_and_is_taken_away_as_the_cluster_says(
    doors: Project, tiny_llama: Path, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    sign.write_text("pending")
    write_engine(doors, str(sign), gpus=1, memory_gb=2, tries=3)
    folder = begin_run(doors, quick_config(tiny_llama), on="nodes")
    (asked,) = json.loads(Path(f"{sign}.asked").read_text())["orders"]
    need = {"cpus": 1, "gpus": 1, "memory": 2 * 2**30, "tries": 3}
    assert json.loads(Path(f"{sign}.asked").read_text())["need"] == need
    assert asked["launch_id"] == where.read_launch(folder)["job"] == where.read_launch(folder)["launch_id"]
    assert asked["command"][-2:] == ["--launch", asked["launch_id"]]
    status = run_state(folder)
    assert (status.state, status.message_values["why"]) == ("pending", "no room")
    sign.write_text("working")
    assert where.ask(folder).sign == "working"
    assert ray_cluster.RayLauncher().expect({"address": str(sign)}).waiting == 7
    assert kill_run(folder).state == "interrupted"
    sign.write_text("pending")
    resume_run(folder)
    cancel_run(folder)
    assert run_state(folder).state == "cancelled"


def test_a_cluster_that_refuses_is_silent_or_has_no_ray_is_worded(
    doors: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address, words in (("refuses", "no such class"), ("missing", "pip install ray"), ("breaks", "ray_door")):
        write_engine(doors, address)
        with pytest.raises(RunError, match=words):
            begin_run(doors, quick_config(tiny_llama), on="nodes")
    monkeypatch.setattr(ray_cluster, "JOIN_S", 0.2)
    with pytest.raises(RunError, match="does not answer"):
        ray_cluster.RayLauncher().expect({"address": "silent"})
    assert not list(doors.runs_dir.glob("r*"))

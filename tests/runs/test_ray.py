"""Runs on a Ray cluster of several nodes on this machine; without Ray, what is said about that."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.base.errors import RunError
from core.insight.study import Arm, Study, create_study, read_study, run_study_on
from core.runs import where
from core.runs.creation import create_run
from core.runs.engines import ray_cluster, ray_errand
from core.runs.folder import RunFolder
from core.runs.launching import begin_run, cancel_run, kill_run, resume_run, start_run
from core.runs.liveness import run_state
from core.runs.ranks import RENDEZVOUS, read_ranks
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
    return node_above(pid, cluster)


def node_above(pid: int, cluster: Any) -> Any:
    import psutil

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
    assert asked["need"] == {"cpus": 1, "gpus": 1, "memory": 2 * 2**30, "tries": 3, "machines": 1}
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


@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_a_run_of_several_processes_asks_for_a_core_and_a_card_each(
    doors: Project, tiny_llama: Path, tmp_path: Path, gpus: int
) -> None:
    sign = tmp_path / "sign"
    sign.write_text("pending")
    write_engine(doors, str(sign), gpus=gpus)
    folder = begin_run(doors, quick_config(tiny_llama, num_processes=3, num_machines=2), on="nodes")
    (asked,) = json.loads(Path(f"{sign}.asked").read_text())["orders"]
    need = {"cpus": 3, "gpus": max(3, gpus) if gpus else 0, "memory": 0, "tries": 5, "machines": 2}
    assert asked["need"] == need
    sign.write_text("gone")
    run_state(folder)


class FakeRay:
    """What an actor asks of Ray: its group, its node's address, other actors and its own end."""

    def __init__(self) -> None:
        self.begun: list[tuple[Any, ...]] = []
        self.removed: list[str] = []
        self.left: list[bool] = []
        self.util = SimpleNamespace(
            get_current_placement_group=lambda: "group",
            get_node_ip_address=lambda: "10.0.0.7",
            remove_placement_group=self.removed.append,
        )
        self.actor = SimpleNamespace(exit_actor=lambda: self.left.append(True))

    def PlacementGroupSchedulingStrategy(self, group: str, placement_group_bundle_index: int) -> tuple[str, int]:
        return group, placement_group_bundle_index

    def get_runtime_context(self) -> Any:
        me: Any = SimpleNamespace()
        me.leave = SimpleNamespace(remote=lambda: self.errand.leave())
        return SimpleNamespace(current_actor=me)

    def remote(self, kind: type) -> Any:
        def options(**chosen: Any) -> Any:
            return SimpleNamespace(remote=lambda *given: self.begun.append((kind, chosen, given)))

        return SimpleNamespace(options=options)


@pytest.mark.parametrize(
    ("machines", "code", "paused", "end"),
    [(2, 3, False, "begun again"), (2, 3, True, "left"), (2, 0, False, "left"), (1, 3, False, "left")],
)
def test_machines_of_one_run_meet_and_are_begun_again_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machines: int, code: int, paused: bool, end: str
) -> None:
    fake, orders, ends = FakeRay(), [], []
    waits = threading.Event()
    worker = SimpleNamespace(wait=lambda: waits.wait(60) and code)
    monkeypatch.setattr(ray_errand, "import_module", lambda _: fake)
    monkeypatch.setattr(ray_errand, "_speak_into", lambda _: None)
    monkeypatch.setattr(ray_errand, "start_beside", lambda order: orders.append(order) or worker)
    monkeypatch.setattr(ray_errand.os, "_exit", lambda _: ends.append("begun again"))
    if paused:
        (tmp_path / "PAUSE").touch()
    need = {"cpus": 2, "gpus": 1, "memory": 0, "tries": 5, "machines": machines}
    fake.errand = ray_errand.Errand(str(tmp_path), ("work",), need)
    meet = orders[0].variables.get(RENDEZVOUS)
    if machines == 1:
        assert (meet, fake.begun) == (None, [])
    else:
        ((kind, chosen, given),) = fake.begun
        assert kind is ray_errand.Helper
        assert chosen == {"num_cpus": 2, "num_gpus": 1, "memory": None, "scheduling_strategy": ("group", 1)}
        assert given == (str(tmp_path), 1, 2, meet)
        assert meet.startswith("10.0.0.7:")
        kind(*given)
        assert orders[1].command[-3:] == (str(tmp_path), "--machine", "1")
        assert orders[1].variables[RENDEZVOUS] == meet
    waiting = next(thread for thread in threading.enumerate() if thread.name == "waits")
    waits.set()
    waiting.join(60)
    assert (ends or ["left"]) == [end]
    assert bool(fake.left) == (end == "left")
    assert fake.removed == (["group"] if end == "left" and machines > 1 else [])


@pytest.mark.slow
@needs_ray
def test_a_run_on_two_nodes_equals_one_of_two_processes_here_also_when_a_node_dies(
    project: Project, tiny_llama: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PATIENCE_S", 400.0)
    changes: dict[str, Any] = {"max_steps": 30, "checkpoint_every": 4, "precision": "float32", "exam_rows": 0}
    wide = begin_run(project, quick_config(tiny_llama, num_processes=2, **changes), on="nodes")
    wait_for(wide, lambda status: "no node is that large" in str(status.message_values))
    cancel_run(wide)
    run = begin_run(project, quick_config(tiny_llama, num_machines=2, **changes), on="nodes")
    wait_for(run, lambda status: status.step >= 9)
    pids = [rank["pid"] for rank in read_ranks(run)]
    nodes = [node_above(pid, cluster) for pid in pids]
    assert nodes[0] is not nodes[1]
    cluster.remove_node(nodes[1], allow_graceful=False)
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    wait_for(run, lambda status: ended(status) and status.state != "interrupted")
    assert run_state(run).state == "succeeded", where.read_log(run)
    assert [event["step"] >= 4 for event in run.read_events() if event["kind"] == "resume"] == [True]
    here = begin_run(project, quick_config(tiny_llama, num_processes=2, **changes))
    wait_for(here, ended)
    assert run.weights_path.read_bytes() == here.weights_path.read_bytes()


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

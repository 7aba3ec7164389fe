"""Runs on other engines: one protocol, the state `pending`, the lease, and what an engine's silence means."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import RunError, SettingError, WorkspaceError
from core.base.files import write_json_atomic
from core.base.processes import boot_id
from core.runs import lease, together, where
from core.runs.creation import delete_run, list_runs
from core.runs.engine_terms import engine_terms
from core.runs.engines.local import worker_processes
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS, Answer, LaunchOrder
from core.runs.launching import begin_run, cancel_run, kill_run, put_on, resume_run, start_run, stop_run
from core.runs.lease import FRESH_S, lease_ages, may_begin, stays_named
from core.runs.liveness import LOST_AFTER_S, run_state
from core.runs.lock import try_lock
from core.runs.queue_db import RunQueue
from core.runs.queueing import list_queue
from core.runs.quotas import usage_of
from core.runs.rerun import run_again
from core.runs.states import RunStatus
from core.runs.together import begin_here, run_together
from core.workspace import Project, Workspace
from tests.runs.fake_engine import FakeEngine
from tests.toy_project import quick_config, quick_run


@pytest.fixture
def engine(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    """A workspace with one more engine, called `far`; every question to it is asked anew."""
    monkeypatch.setattr(where, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(where, "SILENT_S", 0.0)
    monkeypatch.setattr(where, "_silent", {})
    engine = FakeEngine()
    LAUNCHERS.register("fake", engine)
    write_engines(project, "far: {launcher: fake, flavor: big, hours: 2}\n")
    yield engine
    engine.is_silent = False
    monkeypatch.setattr(engine, "alive", FakeEngine.alive.__get__(engine))  # a test may have put another
    where._silent.clear()
    engine.signs = dict.fromkeys(engine.signs, "gone")
    for folder in list_runs(project):
        kill_run(folder)
    LAUNCHERS.remove("fake")


def write_engines(project: Project, text: str) -> None:
    (project.path.parents[1] / where.FILE).write_text(text, encoding="utf-8")


@pytest.fixture
def folder(project: Project, tiny_llama: Path, engine: FakeEngine) -> RunFolder:
    return begin_run(project, quick_config(tiny_llama), on="far")


def beat(folder: RunFolder, ago: float = 0.0, idle: float = 0.0) -> None:
    """A heartbeat of another machine, so many seconds ago by the file system's clock."""
    values = {"time": 0.0, "steady": 1e9, "moved": 1e9 - idle, "boot": "another"}
    folder.heartbeat_path.write_text(json.dumps(values), encoding="ascii")
    then = time.time() - ago
    os.utime(folder.heartbeat_path, (then, then))


def age_launch(folder: RunFolder) -> None:
    """The start was long enough ago for a run to be given up."""
    then = time.time() - LOST_AFTER_S - 30
    os.utime(folder.launch_path, (then, then))


def runs_there(folder: RunFolder, engine: FakeEngine) -> None:
    """Its worker has begun on the engine."""
    engine.signs[where.read_launch(folder)["job"]] = "working"
    folder.write_status(RunStatus(state="running", stage="stage1", step=3))
    beat(folder)


def test_a_run_names_its_launcher_and_is_handed_over(folder: RunFolder, engine: FakeEngine) -> None:
    run, launch = folder.read_run(), where.read_launch(folder)
    assert (run["launcher"], run["on"]) == ("fake", "far")
    assert launch["settings"] == {"flavor": "big", "hours": 2}
    status = run_state(folder)
    assert (status.state, status.queue_place, status.message_key) == ("pending", 2, "run.pending")
    assert not folder.is_alive()
    assert worker_processes(folder) == []
    with pytest.raises(RunError, match="already"):
        start_run(folder)
    assert len(engine.signs) == 1
    with pytest.raises(RunError):
        delete_run(folder)


def test_what_an_engine_has_is_not_in_our_queue_and_counts_for_its_owner(
    folder: RunFolder, project: Project
) -> None:
    workspace = Workspace(project.path.parents[1])
    assert list_queue(workspace.root) == []
    assert RunQueue(workspace.root).waiting() == []
    assert usage_of(workspace, project.owner).runs == 1


def test_it_runs_and_ends_by_the_signs_of_the_folder(folder: RunFolder, engine: FakeEngine) -> None:
    runs_there(folder, engine)
    assert (run_state(folder).state, run_state(folder).step) == ("running", 3)
    beat(folder, idle=300.0)
    assert run_state(folder).state == "stalled"
    beat(folder, ago=FRESH_S + 30)
    assert run_state(folder).state == "stalled"  # the engine says it works
    beat(folder)
    stop_run(folder)
    assert run_state(folder).state == "stopping"
    assert folder.stop_path.exists()
    folder.write_done({"state": "succeeded", "ended": 1.0, "message_key": "run.finished"})
    assert run_state(folder).state == "succeeded"


def test_a_worker_that_beats_outlives_an_engine_that_forgot_it(folder: RunFolder, engine: FakeEngine) -> None:
    runs_there(folder, engine)
    engine.signs["j0"] = "gone"
    assert run_state(folder).state == "running"
    beat(folder, ago=FRESH_S + 30)
    status = run_state(folder)
    assert (status.state, status.message_key) == ("interrupted", "run.was_interrupted")


def test_a_silent_engine_proves_nothing(folder: RunFolder, engine: FakeEngine) -> None:
    engine.is_silent = True
    status = run_state(folder)
    assert (status.state, status.message_key) == ("pending", "run.engine_silent")
    engine.is_silent = False
    runs_there(folder, engine)
    engine.is_silent = True
    assert run_state(folder).state == "running"
    beat(folder, ago=FRESH_S + 30)
    assert run_state(folder).state == "stalled"
    with pytest.raises(RunError, match="does not answer"):
        kill_run(folder)
    assert "timed out" in where.read_log(folder)
    beat(folder, ago=LOST_AFTER_S + 30)
    assert kill_run(folder).message_key == "run.was_lost"


def test_a_start_that_was_given_up_cannot_write_beside_the_new_one(folder: RunFolder, engine: FakeEngine) -> None:
    first = where.read_launch(folder)["launch_id"]
    left: list[int] = []
    look = stays_named(folder, first, lambda: left.append(1))
    assert look is not None
    look()
    assert may_begin(folder, first)
    assert not left
    engine.signs["j0"] = "gone"
    assert run_state(folder).state == "interrupted"
    resume_run(folder)
    look()
    assert left
    assert not may_begin(folder, first)
    assert may_begin(folder, where.read_launch(folder)["launch_id"])
    assert stays_named(folder, None, lambda: left.append(1)) is None
    assert may_begin(folder, None)


def test_cancelling_takes_a_run_out_of_the_engines_queue(folder: RunFolder, engine: FakeEngine) -> None:
    cancel_run(folder)
    assert engine.signs == {"j0": "gone"}
    assert run_state(folder).state == "cancelled"


def test_stopping_a_run_that_has_not_begun_cancels_it(folder: RunFolder, engine: FakeEngine) -> None:
    assert stop_run(folder).state == "cancelled"


def test_stop_and_keep_never_discards_what_an_engine_only_says_to_wait(
    folder: RunFolder, engine: FakeEngine
) -> None:
    runs_there(folder, engine)
    engine.signs["j0"] = "pending"  # it could not be reached for a moment
    assert run_state(folder).state == "running"
    assert stop_run(folder).state == "stopping"
    beat(folder, ago=FRESH_S + 30)  # its node is gone: it will begin again, and has nothing saved
    assert run_state(folder).state == "stopping"
    folder.stop_path.unlink()
    assert run_state(folder).state == "pending"
    assert stop_run(folder).state == "stopping"
    assert engine.signs == {"j0": "pending"}
    assert not folder.cancel_path.exists()
    assert not folder.done_path.exists()


def test_a_resumed_run_that_waits_there_is_stopped_and_kept(folder: RunFolder, engine: FakeEngine) -> None:
    engine.signs["j0"] = "gone"
    assert run_state(folder).state == "interrupted"
    (folder.checkpoints_dir / "step-00000005").mkdir(parents=True)
    resume_run(folder)
    for _ in range(2):
        assert stop_run(folder).state == "stopping"
    assert engine.signs["j1"] == "pending"
    assert not folder.cancel_path.exists()
    assert cancel_run(folder).state == "cancelled"  # a plain wish to discard is still heard


def test_a_cancel_that_an_engine_did_not_hear_can_be_said_again(folder: RunFolder, engine: FakeEngine) -> None:
    for wish in (cancel_run, cancel_run, stop_run):
        engine.is_silent = True
        with pytest.raises(RunError, match="does not answer"):
            wish(folder)
        assert run_state(folder).state == "stopping"
    engine.is_silent = False
    assert stop_run(folder).state == "cancelled"
    assert engine.signs == {"j0": "gone"}


def test_a_wish_is_told_at_once_even_to_an_engine_that_was_silent(
    folder: RunFolder, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs_there(folder, engine)
    run_state(folder)
    monkeypatch.setattr(where, "ASK_EVERY_S", 3600.0)
    where._silent["fake"] = time.monotonic(), "timed out"
    seen: list[tuple[bool, bool]] = []

    def alive(folder: RunFolder, launch: object) -> Answer:
        seen.append((folder.stop_path.exists(), folder.cancel_path.exists()))
        return Answer("working")

    monkeypatch.setattr(engine, "alive", alive)
    stop_run(folder)
    cancel_run(folder)
    assert seen == [(True, False), (True, True)]


def test_a_run_that_never_beat_is_given_up_ten_minutes_after_its_start(
    folder: RunFolder, engine: FakeEngine
) -> None:
    engine.is_silent = True
    for give_up in (kill_run, lambda folder: cancel_run(folder, now=True)):
        with pytest.raises(RunError, match="does not answer"):
            give_up(folder)
    age_launch(folder)
    assert cancel_run(folder, now=True).state == "cancelled"


def test_a_worker_waits_for_the_lock_while_its_start_has_no_receipt(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = where.read_launch(folder)
    monkeypatch.setattr(lease, "START_WAIT_S", 0.0)
    mine, got = try_lock(folder.lock_path), []
    assert mine is not None
    assert lease.take_lock(folder, launch["launch_id"]) is None  # the receipt is there: somebody else works
    write_json_atomic(folder.launch_path, {k: v for k, v in launch.items() if k != "job"})
    worker = threading.Thread(target=lambda: got.append(lease.take_lock(folder, launch["launch_id"])))
    worker.start()
    try:
        worker.join(0.7)
        assert worker.is_alive()
    finally:
        os.close(mine)
        worker.join()
        write_json_atomic(folder.launch_path, launch)
    assert got[0] is not None
    os.close(got[0])


def test_kill_ends_a_worker_that_still_beats(folder: RunFolder, engine: FakeEngine) -> None:
    runs_there(folder, engine)
    assert kill_run(folder).state == "interrupted"


def test_an_engine_that_begins_a_paused_run_again_keeps_it_from_a_second_start(
    folder: RunFolder, engine: FakeEngine
) -> None:
    runs_there(folder, engine)
    folder.write_status(RunStatus(state="interrupted", message_key="run.was_paused"))
    engine.signs["j0"] = "pending"
    assert run_state(folder).state == "pending"
    with pytest.raises(RunError, match="it is pending"):
        resume_run(folder)
    engine.signs["j0"] = "gone"
    assert run_state(folder).message_key == "run.was_paused"
    engine.is_silent = True
    assert run_state(folder).state == "interrupted"


@pytest.mark.usefixtures("sleepers")
def test_a_run_goes_on_elsewhere(folder: RunFolder, engine: FakeEngine) -> None:
    engine.signs["j0"] = "gone"
    assert run_state(folder).state == "interrupted"
    resume_run(folder, on="local")
    assert (folder.read_run()["launcher"], run_state(folder).state) == ("local", "queued")
    assert len(worker_processes(folder)) == 1
    assert not where.is_far(folder)
    kill_run(folder)
    engine.refuses = True
    with pytest.raises(RunError):
        resume_run(folder, on="far")
    assert folder.read_run()["launcher"] == "local", "where it was refused it does not belong"
    engine.refuses = False
    resume_run(folder, on="far")
    assert run_state(folder).state == "pending"
    assert list(engine.signs.values()) == ["gone", "pending"]


@pytest.mark.usefixtures("sleepers")
def test_what_was_to_go_elsewhere_begins_here_unless_somebody_agrees_anew(
    project: Project, tiny_llama: Path, engine: FakeEngine
) -> None:
    run, far = quick_run(project, tiny_llama), where.find_engine(project.path.parents[1], "far")
    for before in ("draft", "interrupted"):
        put_on(run, far)
        assert begin_here(run).state == before
        assert (run.read_run()["on"], run_state(run).state) == ("local", "queued")
        kill_run(run)
    assert engine.signs == {}


def test_runs_that_an_engine_took_are_waited_for_when_it_refuses_the_next(
    project: Project, tiny_llama: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "POLL_S", 0.0)
    runs = [quick_run(project, tiny_llama, seed=seed) for seed in range(3)]
    far = where.find_engine(project.path.parents[1], "far")
    submit = engine.submit

    def take_two(order: LaunchOrder) -> dict[str, Any]:
        engine.refuses = len(engine.signs) >= 2
        return submit(order)

    def end(statuses: list[RunStatus]) -> None:
        for run in runs:
            if where.read_launch(run) and not run.done_path.exists():
                engine.end(run)

    monkeypatch.setattr(engine, "submit", take_two)
    with pytest.raises(RunError, match=r"did not take 1 of 3 runs: .*no room"):
        run_together(runs, far, end)
    assert [run_state(run).state for run in runs] == ["succeeded", "succeeded", "draft"]
    with pytest.raises(RunError, match="no room") as refused:  # nothing to wait for
        run_together(runs, far, end)
    assert refused.value.key == "run.engine_refused"
    monkeypatch.setattr(engine, "submit", submit)
    engine.refuses = False
    run_together(runs, far, end)
    assert run_state(runs[2]).state == "succeeded"


def test_the_price_of_several_runs_is_the_price_of_all(engine: FakeEngine) -> None:
    one, twelve = (" ".join(s.text for s in engine_terms(where.Engine("far", "fake"), str, n)) for n in (1, 12))
    assert "At most $1.60" in one
    assert "19.20" not in one
    assert "12 runs are started there" in twelve
    assert "$1.60 each time one of them is started or resumed: $19.20 for these 12" in twelve


def test_a_refused_start_leaves_no_trace(project: Project, tiny_llama: Path, engine: FakeEngine) -> None:
    engine.refuses = True
    with pytest.raises(RunError, match="no room"):
        begin_run(project, quick_config(tiny_llama), on="far")
    assert not list(project.runs_dir.glob("r*"))
    folder = quick_run(project, tiny_llama)
    folder.write_run({**folder.read_run(), "on": "far", "launcher": "fake"})
    with pytest.raises(RunError, match="no room"):
        start_run(folder)
    assert run_state(folder).state == "draft"
    assert not folder.launch_path.exists()


def test_a_start_that_broke_off_before_the_receipt_is_gone(folder: RunFolder) -> None:
    launch = where.read_launch(folder)
    write_json_atomic(folder.launch_path, {k: v for k, v in launch.items() if k != "job"})
    assert run_state(folder).state == "interrupted"


def test_a_launcher_of_another_version_proves_nothing(folder: RunFolder) -> None:
    launch = where.read_launch(folder)
    write_json_atomic(folder.launch_path, {**launch, "launcher": "later"})
    assert run_state(folder).state == "pending"
    with pytest.raises(SettingError, match="later"):
        where.end_worker(folder)
    age_launch(folder)
    assert kill_run(folder).message_key == "run.was_lost"


def test_the_same_again_runs_where_it_ran(folder: RunFolder, engine: FakeEngine) -> None:
    cancel_run(folder)
    again = run_again(folder)
    start_run(again)
    assert run_state(again).state == "pending"


def test_an_engine_is_not_asked_at_every_tick(
    folder: RunFolder, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, "ASK_EVERY_S", 60.0)
    run_state(folder)
    engine.signs["j0"] = "working"
    assert where.ask(folder).sign == "pending"
    assert where.ask(folder, is_urgent=True).sign == "working"
    engine.is_silent = True
    assert where.ask(folder, is_urgent=True).sign == "unknown"
    engine.is_silent = False
    assert where.ask(folder, is_urgent=True).sign == "unknown"  # its other runs do not wait for it again


def test_the_lease_is_read_by_the_file_systems_clock(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lease_ages(folder) is None
    beat(folder, ago=40.0, idle=5.0)
    monkeypatch.setattr("time.time", lambda: 0.0)  # a reader whose clock is wrong by decades
    age, idle = lease_ages(folder) or (0.0, 0.0)
    assert 39 < age < 60
    assert idle - age == pytest.approx(5.0)
    folder.heartbeat_path.write_text("{", encoding="ascii")
    assert lease_ages(folder) is not None
    assert boot_id() != "another"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("- far", "setting.yaml_shape"),
        ("far: 3", "run.engines_entry"),
        ("local: {launcher: fake}", "run.engines_here"),
        ("far: {launcher: nowhere}", "run.engines_launcher"),
        ("far: {launcher: local}", "run.engines_launcher"),
        ("far: {launcher: fake, colour: red}", "run.engines_unknown"),
        ("far: {launcher: fake, flavor: 3}", "run.engines_value"),
        ("far: {launcher: fake, hours: -1}", "run.engines_value"),
        ("far: {launcher: fake, hours: yes}", "run.engines_value"),
        ("far: {launcher: fake, hours: .inf}", "run.engines_value"),
        ("far: {launcher: fake, hours: .nan}", "run.engines_value"),
        ("far: {launcher: fake, hours: 0}", "run.engines_value"),
        ("far: {launcher: fake, hours: long}", "run.engines_value"),
        ("far: {launcher: [fake]}", "run.engines_launcher"),
        ("far: {launcher: {fake: 1}}", "run.engines_launcher"),
        ("far: {launcher: slurm, gpus: -1}", "run.engines_value"),
        ("far: {launcher: slurm, cpus: 0}", "run.engines_value"),
        ("far: {launcher: fake}\nfar: {launcher: fake, hours: 2}", "setting.yaml"),
        ("far: {launcher: fake, visitors: maybe}", "run.engines_value"),
        ("far: {", "setting.yaml"),
    ],
)
def test_a_wrong_file_of_engines_is_named_and_leaves_local_runs_alone(
    project: Project, tiny_llama: Path, engine: FakeEngine, text: str, key: str
) -> None:
    folder = quick_run(project, tiny_llama)
    write_engines(project, text)
    with pytest.raises(SettingError, match=r"engines\.yaml") as caught:
        where.list_engines(project.path.parents[1])
    assert caught.value.key == key
    assert where.engine_of(folder) == where.HERE
    assert run_state(folder).state == "draft"


def test_plain_wishes_of_numbers_are_taken(project: Project, engine: FakeEngine) -> None:
    write_engines(project, "c: {launcher: slurm, gpus: 0, tries: 0, memory_gb: 1e3, hours: 1.5}\n")
    found = where.find_engine(project.path.parents[1], "c")
    assert found.settings == {"gpus": 0, "tries": 0, "memory_gb": 1000.0, "hours": 1.5}


def test_a_run_whose_engine_fails_in_any_worded_way_stops_no_list(
    folder: RunFolder, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise WorkspaceError("mirror.no_folder", path="/bucket", detail="stale")

    monkeypatch.setattr(engine, "alive", fail)
    assert run_state(folder).message_key == "run.engine_silent"


def test_an_engine_that_hangs_is_asked_by_one_at_a_time(
    folder: RunFolder, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_state(folder)
    begun, goes_on, asked = threading.Event(), threading.Event(), []

    def hang(*_: object) -> Answer:
        asked.append(1)
        begun.set()
        assert goes_on.wait(60)
        return Answer("working")

    monkeypatch.setattr(engine, "alive", hang)
    first = threading.Thread(target=where.ask, args=(folder,))
    first.start()
    try:
        assert begun.wait(60)
        assert where.ask(folder).sign == "pending"  # what it said last
        assert len(asked) == 1
    finally:
        goes_on.set()
        first.join()
    monkeypatch.setattr(where, "ASK_EVERY_S", 60.0)
    assert where.ask(folder).sign == "working"


def test_visitors_see_only_engines_that_are_for_them(project: Project, engine: FakeEngine) -> None:
    write_engines(project, "far: {launcher: fake}\nopen: {launcher: fake, visitors: true}\n")
    root = project.path.parents[1]
    assert [e.name for e in where.list_engines(root)] == ["local", "far", "open"]
    assert [e.name for e in where.list_engines(root, "ann")] == ["local", "open"]
    with pytest.raises(SettingError, match="no engine"):
        where.find_engine(root, "far", "ann")


def test_the_command_line_names_the_engines(
    project: Project, engine: FakeEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.__main__ import main

    root = str(project.path.parents[1])
    assert main(["engines", "--json", "--workspace", root]) == 0
    here, far = json.loads(capsys.readouterr().out)
    assert (here["name"], here["dollars_an_hour"]) == ("local", None)
    assert (far["name"], far["dollars_an_hour"], far["waiting"], far["limit_s"]) == ("far", 0.8, 1, 7200.0)


@pytest.mark.parametrize("verb", ["resume", "stop", "rerun", "mend"])
def test_whatever_starts_a_run_there_once_more_asks_before(
    folder: RunFolder, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    from core.__main__ import main

    (folder.checkpoints_dir / "step-00000005").mkdir(parents=True)
    if verb == "mend":
        folder.write_done({"state": "failed", "ended": 1.0, "message_key": "run.was_interrupted"})
        folder.write_status(RunStatus(state="failed", failure="unknown"))
    elif verb == "rerun":
        cancel_run(folder, now=True)
    engine.signs["j0"] = "gone"
    words = [verb, folder.run_id, "--workspace", str(folder.workspace_dir)]
    words += ["--background"] if verb in ("rerun", "mend") else []
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert main(words) == 2
    assert len(engine.signs) == 1
    assert main([*words, "--yes"]) == 0
    assert engine.signs["j1"] == "pending"

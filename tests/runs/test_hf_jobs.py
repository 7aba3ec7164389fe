"""Runs as Jobs of the Hub: huggingface_hub's real client against a fake API, the folder exchanged by a bucket."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from core.__main__ import main
from core.base.errors import RunError
from core.runs import where
from core.runs.bucket_copy import BucketCopy, Unit
from core.runs.creation import delete_run, list_runs
from core.runs.engines import bucket_job, bucket_left, hf_jobs
from core.runs.folder import RunFolder
from core.runs.launching import begin_run, cancel_run, kill_run, stop_run
from core.runs.liveness import run_state
from core.runs.states import RunStatus
from core.workspace import Project
from tests.runs.fake_jobs import FakeJobs
from tests.runs.far_walk import Walk
from tests.serving.fake_hub import running_hub
from tests.toy_project import quick_config
from tests.watching import ended, wait_for

TOKEN = "hf_" + "x" * 34
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    place = tmp_path / "bucket"
    place.mkdir()
    return place


@pytest.fixture
def hub(project: Project, bucket: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeJobs]:
    """The Hub, this machine's login to it, and an engine of its Jobs."""
    with running_hub(TOKEN, FakeJobs(TOKEN)) as fake:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", fake.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(where, "ASK_EVERY_S", 0.0)
        monkeypatch.setattr(where, "_silent", {})
        monkeypatch.setattr(where, "SILENT_S", 0.0)
        hf_jobs._machines.cache_clear()
        engine = {"launcher": "hf_jobs", "flavor": "l4x1", "hours": 3, "bucket": "nurse/runs", "mount": str(bucket)}
        text = json.dumps({"hub": {**engine, "image": "hf.co/spaces/nurse/taskloom"}})
        (project.path.parents[1] / where.FILE).write_text(text, encoding="utf-8")
        yield fake
        fake.is_down = False
        where._silent.clear()
        for folder in list_runs(project):
            if run_state(folder).is_live:
                kill_run(folder)


def test_a_job_is_asked_for_with_flavor_limit_and_bucket_and_no_secret(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path
) -> None:
    folder = begin_run(project, quick_config(tiny_llama), on="hub")
    (spec,) = hub.specs
    assert (spec["flavor"], spec["timeoutSeconds"], spec["spaceId"]) == ("l4x1", 10_800, "nurse/taskloom")
    assert spec["volumes"][0]["source"] == "nurse/runs"
    launch = where.read_launch(folder)
    assert (launch["job"], launch["namespace"]) == ("job1", "nurse")
    assert launch["launch_id"] in spec["command"]
    files = [p for place in (folder.path, bucket) for p in place.rglob("*") if p.is_file()]
    assert TOKEN.encode() not in hub.bodies + b"".join(p.read_bytes() for p in files)
    sent = {p.name for p in bucket.rglob("*") if p.is_file()}
    assert {"run.json", "config.yaml", "status.json", "model.safetensors", "COPIED"} <= sent
    assert not {"launch.json", "worker.lock", "worker.log"} & sent
    assert run_state(folder).state == "pending"
    hub.stages["job1"] = "RUNNING"
    assert where.ask(folder).sign == "working"
    assert "said by the container" in where.read_log(folder)
    hub.is_down = True
    assert run_state(folder).message_key == "run.engine_silent"


def test_a_persons_way_with_jobs_of_the_hub(
    project: Project, tiny_llama: Path, hub: FakeJobs, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin(folder: RunFolder) -> None:
        hub.stages[str(where.read_launch(folder)["job"])] = "RUNNING"
        assert where.ask(folder).sign == "working"
        folder.write_status(RunStatus(state="running", stage="stage1"))

    def begun_anew() -> None:
        launcher: Any = where.LAUNCHERS.get("hf_jobs")
        launcher._copies.clear()
        launcher._ended.clear()

    Walk(project, tiny_llama, "hub", lambda _: None, begin, begun_anew, "said by the container").go(capsys)


def test_stopping_and_cancelling_reach_the_job(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begin_run(project, quick_config(tiny_llama), on="hub")
    cancel_run(folder)
    assert hub.stages == {"job1": "CANCELED"}
    assert run_state(folder).state == "cancelled"
    other = begin_run(project, quick_config(tiny_llama), on="hub")
    hub.stages["job2"] = "RUNNING"
    other.write_status(RunStatus(state="running", stage="stage1"))
    stop_run(other)
    assert any(p.name == "STOP" for p in bucket.rglob("*"))
    hub.stages["job2"] = "ERROR"
    monkeypatch.setattr(hf_jobs, "SETTLES_S", 0.0)
    assert run_state(other).state == "interrupted"


def test_what_arrives_after_a_failed_job_has_ended_still_counts(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path
) -> None:
    folder = begin_run(project, quick_config(tiny_llama), on="hub")
    folder.write_status(RunStatus(state="running", stage="stage1"))
    hub.stages["job1"] = "ERROR"
    assert run_state(folder).state == "running"
    failed = {"state": "failed", "ended": 1.0, "message_key": "run.was_out_of_memory", "files": {}}
    away = folder.path.with_name("away")
    away.mkdir()
    (away / "DONE").write_text(json.dumps(failed), encoding="utf-8")
    target = str(folder.path.resolve().relative_to(folder.workspace_dir.resolve()))
    name = f"jobs/{where.read_launch(folder)['launch_id']}/result"
    BucketCopy(folder.workspace_dir, bucket).send(Unit(name, target, (away / "DONE",), away))
    run_state(folder)
    assert run_state(folder).state == "failed"


def test_a_bucket_that_is_not_mounted_stops_no_list_and_takes_no_run(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path
) -> None:
    folder = begin_run(project, quick_config(tiny_llama), on="hub")
    where.LAUNCHERS.get("hf_jobs")._copies.clear()  # type: ignore[attr-defined]  # an app that begins anew
    bucket.rename(bucket.with_name("elsewhere"))
    assert run_state(folder).message_key == "run.engine_silent"
    with pytest.raises(RunError, match="mount"):
        begin_run(project, quick_config(tiny_llama), on="hub")
    assert not bucket.exists()
    bucket.mkdir()
    (bucket / "taskloom").write_text("no folder", encoding="ascii")
    assert run_state(folder).message_key == "run.engine_silent"
    assert len(hub.specs) == 1
    (bucket / "taskloom").unlink()


def test_a_bucket_that_fails_for_a_moment_ends_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path / "home" / "projects" / "p" / "runs" / "r1")
    folder.path.mkdir(parents=True)
    folder.write_status(RunStatus(state="running"))
    folder.write_done({"state": "succeeded", "ended": 1.0, "message_key": "run.finished", "files": {}})
    copy, real, fails = BucketCopy(tmp_path / "home", tmp_path / "bucket"), BucketCopy.send, [1, 1, 1]

    def send(self: BucketCopy, unit: Unit) -> bool:
        if fails:
            fails.pop()
            raise OSError("I/O error")
        return real(self, unit)

    monkeypatch.setattr(BucketCopy, "send", send)
    monkeypatch.setattr(bucket_job, "LAST_TRIES_S", (0.0,) * 6)
    bucket_job._send_end(copy, folder, "l1")
    assert capsys.readouterr().err.count("I/O error") == 3
    folder.done_path.unlink()
    assert copy.bring("jobs/l1/result")
    assert folder.done_path.exists()


def test_a_copy_that_is_replaced_while_it_is_brought_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = BucketCopy(tmp_path / "home", tmp_path / "bucket")
    place = tmp_path / "home" / "r"
    place.mkdir(parents=True)
    (place / "status.json").write_text("1", encoding="ascii")
    copy.send(Unit("jobs/l1/signs", "r", (place / "status.json",)))
    real, turns = BucketCopy._bring_from, [1]

    def vanish(self: BucketCopy, source: Path) -> None:
        if turns:
            turns.pop()
            raise FileNotFoundError(str(source))
        real(self, source)

    monkeypatch.setattr(BucketCopy, "_bring_from", vanish)
    (place / "status.json").unlink()
    assert copy.bring("jobs/l1/signs")
    assert [p.name for p in place.iterdir()] == ["status.json"]


def test_the_price_is_known_before_the_start(project: Project, hub: FakeJobs) -> None:
    known = hf_jobs.HubLauncher().expect({"flavor": "l4x1", "hours": 2})
    assert known.dollars_an_hour == pytest.approx(0.8)
    assert known.limit_s == 7200
    with pytest.raises(RunError, match="l4x1"):
        hf_jobs.HubLauncher().expect({"flavor": "nothing"})


def test_processes_without_a_card_each_and_several_machines_are_refused_before_anything_is_sent(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path
) -> None:
    for changes, words in (({"num_processes": 2, "device": "auto"}, "has 1"), ({"num_machines": 2}, "one machine")):
        with pytest.raises(RunError, match=words):
            begin_run(project, quick_config(tiny_llama, **changes), on="hub")
    assert hub.specs == []
    assert not list(bucket.rglob("run.json"))
    begin_run(project, quick_config(tiny_llama, num_processes=2), on="hub")  # on the machine's processor
    assert len(hub.specs) == 1


def test_refusals_are_worded_and_name_no_token(
    project: Project, tiny_llama: Path, hub: FakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.refuses = True
    with pytest.raises(RunError, match="did not take the run") as refused:
        begin_run(project, quick_config(tiny_llama), on="hub")
    assert TOKEN not in str(refused.value)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(RunError, match="did not take the run") as refused:
        begin_run(project, quick_config(tiny_llama), on="hub")
    assert "hf_wrong" not in str(refused.value)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError, match="does not answer"):
        begin_run(project, quick_config(tiny_llama), on="hub")
    assert not list(project.runs_dir.glob("r*"))


JOB = """
import sys
from pathlib import Path
from core.runs.engines import bucket_job
bucket_job.EXCHANGE_S = 0.2
bucket_job.far_command = lambda folder, launch: (sys.executable, "-c", {worker!r}, str(folder.path))
sys.exit(bucket_job.main())
"""
WORKER = """
import sys
from core.runs.folder import RunFolder
folder = RunFolder(sys.argv[1])
assert folder.read_config().device and folder.read_tasks()
print("trained", flush=True)
folder.adapter_dir.mkdir()
folder.weights_path.write_bytes(b"weights")
folder.write_done({"state": "succeeded", "ended": 1.0, "message_key": "run.finished",
                   "files": {"adapter/adapter.safetensors": 7}})
"""


def run_job(
    spec: dict[str, object], bucket: Path, home: Path, code: str | None = None
) -> subprocess.CompletedProcess[str]:
    """What a container does with a job, the bucket mounted where it lies."""
    words = [{"/bucket": str(bucket), "/tmp/taskloom": str(home)}.get(w, w) for w in spec["command"]]  # type: ignore[attr-defined]
    command = [sys.executable, *words[1:]] if code is None else [sys.executable, "-c", code, *words[3:]]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "HF_TOKEN": ""}, capture_output=True, text=True, timeout=300
    )


def test_the_run_goes_there_and_what_it_made_comes_back(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path, tmp_path: Path
) -> None:
    folder = begin_run(project, quick_config(tiny_llama), on="hub")
    folder.write_run({**folder.read_run(), "notes": "written meanwhile"})
    hub.stages["job1"] = "RUNNING"
    done = run_job(hub.specs[0], bucket, tmp_path / "container", JOB.format(worker=WORKER))
    assert done.returncode == 0, done.stderr
    hub.stages["job1"] = "COMPLETED"
    assert run_state(folder).state == "succeeded"
    assert folder.weights_path.read_bytes() == b"weights"
    assert "trained" in folder.read_log()
    assert folder.read_run()["notes"] == "written meanwhile"
    assert where.read_launch(folder)["job"] == "job1"


@pytest.mark.slow
def test_a_real_training_in_a_job_equals_one_here(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path, tmp_path: Path
) -> None:
    config = quick_config(tiny_llama)
    folder = begin_run(project, config, on="hub")
    hub.stages["job1"] = "RUNNING"
    tiny = tiny_llama.rename(tiny_llama.with_name("elsewhere"))  # the container has no such folder
    try:
        done = run_job(hub.specs[0], bucket, tmp_path / "container")
        assert done.returncode == 0, done.stderr + folder.read_log()
    finally:
        tiny_llama.unlink(missing_ok=True)
        tiny.rename(tiny_llama)
    hub.stages["job1"] = "COMPLETED"
    assert run_state(folder).state == "succeeded", folder.read_log()
    here = begin_run(project, config)
    try:
        wait_for(here, ended)
        assert folder.weights_path.read_bytes() == here.weights_path.read_bytes()
    finally:
        kill_run(here)


def test_what_jobs_left_in_the_bucket_is_listed_and_removed_and_nobody_elses(
    project: Project,
    tiny_llama: Path,
    hub: FakeJobs,
    bucket: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    works, broken, deleted = (begin_run(project, quick_config(tiny_llama), on="hub") for _ in range(3))
    starts = [str(where.read_launch(folder)["launch_id"]) for folder in (works, broken, deleted)]
    hub.stages["job1"] = "RUNNING"
    for folder in (broken, deleted):
        kill_run(folder)
        assert run_state(folder).state == "interrupted"
    delete_run(deleted)
    stranger = BucketCopy(bucket.parent / "other", bucket)
    place = stranger.workspace_dir / "projects" / "p" / "runs" / "r"
    place.mkdir(parents=True)
    (place / "run.json").write_text("{}", encoding="ascii")
    stranger.send(Unit("jobs/l9/run", "projects/p/runs/r", (place / "run.json",)))

    def clean(*words: str) -> dict[str, str]:
        assert main(["clean", "--workspace", str(project.path.parents[1]), "--json", *words]) == 0
        return {one["start"]: one["became"] for one in json.loads(capsys.readouterr().out)}

    assert set(clean("--show").values()) == {"stays"}
    assert clean() == {starts[0]: "stays", starts[1]: "removed", starts[2]: "removed", "l9": "stays"}
    assert {path.name for path in (bucket / "taskloom" / "jobs").iterdir()} == {starts[0], "l9"}
    assert clean("--unknown", "--yes") == {starts[0]: "stays", "l9": "stays"}  # written a moment ago
    long_ago = time.time() - 2 * bucket_left.RECENT_S
    for path in (bucket / "taskloom" / "jobs" / "l9", *(bucket / "taskloom" / "jobs" / "l9").rglob("*")):
        os.utime(path, (long_ago, long_ago))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert clean("--unknown") == {starts[0]: "stays", "l9": "stays"}
    assert clean("--unknown", "--yes") == {starts[0]: "stays", "l9": "removed"}
    assert run_state(works).is_live


def test_cleaning_keeps_a_start_on_its_way_and_what_cannot_be_brought(
    project: Project, tiny_llama: Path, hub: FakeJobs, bucket: Path
) -> None:
    folder = begin_run(project, quick_config(tiny_llama), on="hub")
    copy = BucketCopy(folder.workspace_dir, bucket)
    place = bucket / "taskloom" / "jobs" / str(where.read_launch(folder)["launch_id"])
    for note in place.rglob("COPIED"):
        note.unlink()  # its files are being uploaded
    (job,) = bucket_left.list_left(copy)
    assert job.state == bucket_left.NEEDED
    kill_run(folder)
    saved = folder.checkpoints_dir / "step-00000005" / "state.json"
    saved.parent.mkdir(parents=True)
    saved.write_text("{}", encoding="ascii")
    copy.send(Unit(f"jobs/{place.name}/state", job.target, (saved,)))
    (arrived,) = place.glob("state/*/checkpoints/*/state.json")
    arrived.write_text("torn", encoding="ascii")
    saved.unlink()
    (job,) = bucket_left.list_left(copy)
    assert job.state == bucket_left.LEFT
    assert not bucket_left.remove_left(copy, job)
    arrived.write_text("{}", encoding="ascii")
    assert bucket_left.remove_left(copy, job)
    assert saved.exists()
    assert not place.exists()

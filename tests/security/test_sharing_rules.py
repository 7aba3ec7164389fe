"""A visitor's fair share, what belongs to whom, and what is left after a project was deleted."""

from __future__ import annotations

import contextlib
import time
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gradio_client.utils import strip_invalid_filename_characters

from app.home.screen import Home
from app.shell.context import Context
from app.shell.handlers import translate_error
from app.shell.permissions import note_deletion, require_shared_resume, shared_config, shared_job_seconds
from app.shell.selection import Selection
from app.shell.upload_folders import export_name, forget_project, new_export_folder, note_uploads
from app.shell.visitors import login_offered, owner_of_visit, require_visitor, signed_in_name, take_along
from app.tasks.screen import Tasks
from app.train.start_run import start
from core.base.errors import RunError, SettingError, WorkspaceError
from core.base.files import write_json_atomic
from core.runs.folder import RunFolder
from core.runs.job_folder import JobFolder
from core.runs.lock import held
from core.runs.queue_db import RunQueue
from core.runs.quotas import Quota, limit_time, quota_from_environment, usage_of
from core.runs.summaries import RunSummary
from core.training.config import RunConfig, config_to_yaml
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.staged_runs import stages, write_stage

ALICE, BOB = "a" * 32, "b" * 32
QUOTA = Quota(runs=1, minutes=60, disk_mb=1, projects=2, queue=3, free_mb=1)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))
    return Context(Workspace(tmp_path), shared=True, quota=QUOTA)


def runs_of(*spans: tuple[float, float | None, str]) -> list[RunSummary]:
    """Runs that began and ended so many minutes ago."""
    now = time.time()
    return [
        RunSummary(
            f"r{i}",
            f"Run {i}",
            state,
            "cpoly",
            "starter",
            started=now - 60 * start,
            ended=None if end is None else now - 60 * end,
        )
        for i, (start, end, state) in enumerate(spans)
    ]


@pytest.fixture
def with_runs(context: Context, monkeypatch: pytest.MonkeyPatch) -> Any:
    context.workspace.create_project("Mine", ALICE)

    def give(*spans: tuple[float, float | None, str]) -> None:
        monkeypatch.setattr("core.runs.quotas.list_summaries", lambda project: runs_of(*spans))

    return give


def test_a_visitor_has_so_many_projects_and_another_visitor_too(context: Context) -> None:
    home = build_panel(Home, context)
    for name in ("one", "two"):
        home.create_project(context, Selection(owner=ALICE), name)
    with pytest.raises(WorkspaceError, match="2 projects"):
        home.create_project(context, Selection(owner=ALICE), "three")
    with pytest.raises(WorkspaceError, match="2 projects"):
        home.open_sample(context, Selection(owner=ALICE))
    home.create_project(context, Selection(owner=BOB), "three")


def test_a_full_share_of_the_disk_takes_no_files(context: Context) -> None:
    project = context.workspace.create_project("Mine", ALICE)
    (project.path / "large").write_bytes(b"x" * (2 << 20))
    chosen = Selection(owner=ALICE, project_id=project.project_id)
    with pytest.raises(WorkspaceError, match="2 MB of the 1 MB"):
        build_panel(Tasks, context).take_files(context, chosen, [])
    with pytest.raises(WorkspaceError, match="MB of the 1 MB"):
        shared_config(context, chosen, RunConfig())


def test_a_run_gets_the_minutes_that_are_left(context: Context, with_runs: Any) -> None:
    with_runs((100, 70, "succeeded"))
    config = shared_config(context, Selection(owner=ALICE), RunConfig())
    assert config.max_hours == pytest.approx(0.5, abs=0.01)
    assert shared_config(context, Selection(owner=ALICE), RunConfig(max_hours=0.1)).max_hours == 0.1
    assert shared_config(Context(context.workspace), Selection(), RunConfig()).max_hours is None


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([(10, None, "running")], "1 run"),
        ([(70, 5, "succeeded")], "65 of your 60 minutes"),
        ([(1600, 1500, "succeeded"), (65, 0, "failed")], "65 of your 60 minutes"),
    ],
)  # fmt: skip
def test_who_has_used_the_share_waits(context: Context, with_runs: Any, spans: list, said: str) -> None:
    with_runs(*spans)
    with pytest.raises(RunError, match=said):
        shared_config(context, Selection(owner=ALICE), RunConfig())
    folder = types.SimpleNamespace(read_config=RunConfig)
    with pytest.raises(RunError, match=said):
        require_shared_resume(context, Selection(owner=ALICE), folder)  # type: ignore[arg-type]


def test_deleting_a_run_gives_no_minutes_back(context: Context, with_runs: Any) -> None:
    with_runs((100, 60, "succeeded"))
    project = context.workspace.list_projects(ALICE)[0]
    note_deletion(context, project, ["r0"])
    with_runs()
    assert usage_of(context.workspace, ALICE).minutes == pytest.approx(40, abs=0.1)
    assert ALICE not in "".join(str(p) for p in (context.workspace.root / "quota").iterdir())


def test_a_full_queue_and_a_full_disk_take_no_runs(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runs.quotas.RunQueue.waiting", lambda self: [Path()] * 3)
    with pytest.raises(RunError, match="3 runs are waiting"):
        shared_config(context, Selection(owner=ALICE), RunConfig())
    monkeypatch.setattr("shutil.disk_usage", lambda _: types.SimpleNamespace(free=1000))
    with pytest.raises(WorkspaceError, match="almost full"):
        build_panel(Home, context).create_project(context, Selection(owner=ALICE), "one")


def test_limits_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKLOOM_QUOTA", "runs=2, minutes=5")
    assert quota_from_environment() == Quota(runs=2, minutes=5)
    for wrong in ("runs=0", "cores=3", "minutes", "disk_mb=-1"):
        monkeypatch.setenv("TASKLOOM_QUOTA", wrong)
        with pytest.raises(SettingError):
            quota_from_environment()
    assert limit_time(RunConfig(), 0).max_hours == 0.001


def login(name: str, expires_at: float | None = None) -> Any:
    """A request with the session of somebody who signed in at the Hub."""
    info: dict[str, Any] = {"userinfo": {"preferred_username": name}}
    if expires_at is not None:
        info["expires_at"] = expires_at
    return types.SimpleNamespace(scope={"session": {"oauth_info": info}})


def test_a_login_owns_more_than_the_browser_and_ends(context: Context) -> None:
    assert owner_of_visit(ALICE, login("ann"), True) == "hub-ann"
    assert owner_of_visit(ALICE, login("ann"), False) == ALICE
    assert owner_of_visit(ALICE, login("ann", time.time() - 1), True) == ALICE
    assert signed_in_name(None) == ""
    require_visitor("hub-ann", True, login("ann"))
    for wrong in (login("eve"), login("ann", 1.0), types.SimpleNamespace(scope={})):
        with pytest.raises(WorkspaceError):
            require_visitor("hub-ann", True, wrong)


def test_signing_in_keeps_what_was_made_before(context: Context) -> None:
    for owner in (ALICE, "hub-ann"):
        context.workspace.create_project("Desk", owner)
    context.workspace.create_project("Other", BOB)
    take_along(context.workspace, ALICE, "hub-ann")
    assert sorted(p.name for p in context.workspace.list_projects("hub-ann")) == ["Desk", "Desk 2"]
    assert context.workspace.list_projects(ALICE) == []
    assert take_along(context.workspace, "local", "hub-ann") == []
    assert [p.owner for p in context.workspace.list_projects(BOB)] == [BOB]


def test_the_login_button_is_there_only_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not login_offered()
    monkeypatch.setenv("SPACE_ID", "me/loom")
    assert not login_offered()
    monkeypatch.setenv("OAUTH_CLIENT_ID", "x")
    assert login_offered()


def test_deleting_a_project_leaves_nothing_of_it(context: Context, tmp_path: Path) -> None:
    """Names of files hold long Chinese names and the run's id, by which a copy that Gradio made is found."""
    project = context.workspace.create_project("病历" * 40, ALICE)
    run = RunFolder(write_stage(stages()[0], project.runs_dir / "20261130-081530-3f9a1c04"))
    run.write_run({**run.read_run(), "name": "运行" * 40})
    name = f"{export_name(run.path, 'merged', '任务' * 40)}.zip"
    upload, other = tmp_path / "temporary" / "abc1" / "rows.csv", tmp_path / "temporary" / "abc2" / "rows.csv"
    for path in (upload, other):
        path.parent.mkdir(parents=True)
        path.write_text("private", encoding="utf-8")
    note_uploads(project, [str(upload)])
    export, others = new_export_folder(run.run_id), new_export_folder("r20260101-000000-bbbbbbbb")
    for folder in (export, others):
        (folder / name).write_text("weights", encoding="utf-8")
    note_uploads(project, [str(others.parent / "rows.csv")])  # as a visitor may name a file that is not there
    copy = tmp_path / "temporary" / "def3" / strip_invalid_filename_characters(name)
    copy.parent.mkdir()
    copy.write_text("weights", encoding="utf-8")
    forget_project(context, project)
    left = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "browser.key"]
    assert sorted(left) == sorted([other, others / name])


def test_no_word_of_a_deleted_project_is_left_in_the_workspace(context: Context, tmp_path: Path) -> None:
    """Names of runs and tasks also stand in the queue's database and in the notes of devices."""
    from core.runs.creation import list_runs
    from core.runs.device_lease import DeviceLease
    from core.runs.folder import RunFolder
    from core.runs.queue_db import RunQueue
    from core.runs.states import RunStatus
    from core.runs.summaries import list_summaries

    word, kept = "Zebrafinch", context.workspace.create_project("Kept", BOB)
    project = context.workspace.create_project(f"{word} project", ALICE)
    for number in range(30):
        folder = RunFolder(write_stage(stages()[0], project.runs_dir / f"r{number}"))
        folder.write_run({**folder.read_run(), "name": f"{word} run", "notes": word})
        folder.write_status(RunStatus(state="failed"))
        folder.write_done({"state": "failed"})
    assert any(word in run.name for run in list_summaries(project))
    RunQueue(tmp_path).enqueue(folder.path, "cpu")
    with DeviceLease(tmp_path, "cpu", "training", folder.run_id, f"{word} run"):
        pass
    questions = tmp_path / "temporary" / "0af" / "questions.csv"
    questions.parent.mkdir(parents=True)
    questions.write_text(word, encoding="utf-8")
    note_uploads(project, [str(questions)])
    assert len(list_runs(project)) == 30
    forget_project(context, project)
    told = [path for path in tmp_path.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]
    assert told == []
    assert not [path for path in tmp_path.rglob("*") if project.project_id in str(path)]
    assert context.workspace.list_projects() == [kept]


def test_paths_of_the_machine_are_not_told(tmp_path: Path) -> None:
    error = WorkspaceError("workspace.damaged", path=f"{tmp_path}/projects/p/x.json", detail="cut")
    assert str(tmp_path) in translate_error(error).message
    assert str(tmp_path) not in translate_error(error, str(tmp_path)).message


def test_the_workspace_is_closed_to_other_accounts(tmp_path: Path) -> None:
    assert Workspace(tmp_path / "new").root.stat().st_mode & 0o077 == 0


def test_who_holds_the_device_is_told_to_its_owner_only(tmp_path: Path) -> None:
    from core.runs.device_lease import DeviceLease, holder_for

    workspace = Workspace(tmp_path)
    mine, theirs = (workspace.create_project(name, owner) for name, owner in (("a", ALICE), ("b", BOB)))
    (mine.runs_dir / "r1").mkdir()
    (theirs.runs_dir / "r2").mkdir()
    with DeviceLease(tmp_path, "cpu", "training", "r1", "Secret name"):
        with pytest.raises(RunError) as refused, DeviceLease(tmp_path, "cpu", "evaluation", "r2"):
            pass
        assert "Secret" not in str(refused.value)
        assert (holder_for(mine, "cpu") or {})["name"] == "r1"
        assert (holder_for(theirs, "cpu") or {})["name"] == ""
    assert holder_for(mine, "cpu") is None


def test_clicks_at_once_are_counted_one_after_the_other(context: Context) -> None:
    """Before, eight at once began five runs of one, and 21 projects of 20."""
    home = build_panel(Home, context)

    def create(number: int) -> bool:
        try:
            home.create_project(context, Selection(owner=ALICE), f"project {number}")
        except WorkspaceError:
            return False
        return True

    with ThreadPoolExecutor(8) as clicks:
        assert sum(clicks.map(create, range(24))) == QUOTA.projects
    assert len(context.workspace.list_projects(ALICE)) == QUOTA.projects


def test_runs_are_begun_one_after_the_other(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    project = context.workspace.create_project("Mine", ALICE)
    chosen, begun = Selection(owner=ALICE, project_id=project.project_id), list[str]()
    now = time.time()
    runs = lambda _: [RunSummary(name, name, "queued", "cpoly", "starter", started=now) for name in begun]  # noqa: E731

    def begin(*_: Any, **__: Any) -> Any:
        time.sleep(0.05)  # the checks of a run take their time
        begun.append(f"r{len(begun)}")
        return types.SimpleNamespace(run_id=begun[-1])

    monkeypatch.setattr("core.runs.quotas.list_summaries", runs)
    monkeypatch.setattr("app.train.start_run.begin_run", begin)

    def click(number: int) -> bool:
        try:
            start(context, chosen, config_to_yaml(RunConfig()), f"click {number}")
        except RunError:
            return False
        return True

    with ThreadPoolExecutor(8) as clicks:
        assert sum(clicks.map(click, range(8))) == QUOTA.runs == len(begun)


def test_the_same_click_again_meets_no_quota(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    project, other = (context.workspace.create_project(name, ALICE) for name in ("Mine", "Other"))
    first = RunFolder(project.runs_dir / "r20260101-000000-aaaaaaaa")
    assert RunQueue(context.workspace.root).claim_token("click", first.path) is None

    def full(*_: Any) -> Any:
        raise RunError("quota.runs", limit=1)

    monkeypatch.setattr("app.train.start_run.shared_config", full)
    chosen, text = Selection(owner=ALICE, project_id=project.project_id), config_to_yaml(RunConfig())
    assert start(context, chosen, text, "click").run_id == first.run_id
    for wanted, token in (
        (chosen, "another"),
        (chosen, ""),
        (replace(chosen, project_id=other.project_id), "click"),
    ):
        with pytest.raises(RunError):
            start(context, wanted, text, token)


def test_a_rehearsal_at_work_is_a_run_at_work(context: Context) -> None:
    project = context.workspace.create_project("Mine", ALICE)
    folder = RunFolder(project.runs_dir / ".rehearsal-1")
    folder.path.mkdir()
    with held(folder.lock_path):
        assert usage_of(context.workspace, ALICE).runs == 1
    assert usage_of(context.workspace, ALICE).runs == 0


def test_a_question_at_work_is_a_run_at_work_and_takes_minutes(context: Context) -> None:
    """Before, one visitor could have every question of every run at work at once, each for as long as it took."""
    project, now = context.workspace.create_project("Mine", ALICE), time.time()
    chosen, run_dir = Selection(owner=ALICE, project_id=project.project_id), project.runs_dir / "r1"
    job = JobFolder(run_dir / "jobs" / "exam")
    job.path.mkdir(parents=True)
    write_json_atomic(job.launch_path, {"began": now - 1800})
    write_json_atomic(job.progress_path, {"note": "waiting", "first_time": now - 1800})
    assert usage_of(context.workspace, ALICE).minutes == 0  # somebody else has the device
    write_json_atomic(job.progress_path, {"note": "", "first_time": now - 1200})
    with held(job.lock_path):
        used = usage_of(context.workspace, ALICE)
        assert (used.runs, round(used.minutes)) == (1, 20)
        for wanted in ("exam", "probe"):
            with pytest.raises(RunError, match="1 run or question at work"):
                shared_job_seconds(context, chosen, run_dir, run_dir / "jobs" / wanted)
        with pytest.raises(RunError, match="1 run or question at work"):
            shared_config(context, chosen, RunConfig())
    assert shared_job_seconds(context, chosen, run_dir, job.path) == pytest.approx(60 * 40, abs=60)
    job.forget()  # another one begins in its folder
    assert round(usage_of(context.workspace, ALICE).minutes) == 20
    assert shared_job_seconds(Context(context.workspace), chosen, run_dir, job.path) is None


def test_a_visitors_question_ends_with_the_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.commands.device import hold_device
    from core.insight.jobs import SECONDS

    folder = RunFolder(write_stage(stages()[0], tmp_path / "projects" / "p" / "runs" / "r1"))
    monkeypatch.setenv(SECONDS, "1")
    monkeypatch.setattr("core.runs.memory_limit.held_to_limit", lambda _: contextlib.nullcontext())
    with pytest.raises(RunError, match="1 minute that you had left"), hold_device(folder, "evaluation"):
        time.sleep(60)

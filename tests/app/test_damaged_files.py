"""A damaged file costs what it is about and nothing else: projects, tasks, runs, the queue's database."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.frame.head import Head
from app.frame.job_bar import JobBar
from app.home.screen import Home
from app.results.screen import Results
from app.share.screen import Share
from app.shell.context import Context
from app.shell.redraw import Redraw
from app.shell.selection import Selection
from app.skills.screen import Skills
from app.tasks.screen import Tasks, choose_task
from app.train.history_panel import HistoryPanel
from app.train.run_actions import terms_of_act
from app.train.screen import RunPanel
from app.try_it.screen import TryIt
from core.base.errors import TaskloomError, WorkspaceError
from core.base.files import write_json_atomic
from core.runs.creation import delete_run
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.lock import try_lock
from core.runs.queue_db import RunQueue
from core.runs.states import QUEUED, RunStatus
from core.runs.summaries import list_summaries
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.store import list_damaged_tasks, list_tasks
from core.workspace import COPY, RECORD, Project, Workspace
from tests.app.panels import build_panel
from tests.staged_runs import stages, write_stage

DAMAGE = {
    "empty": b"",
    "torn": b'{"name": "x", "tasks": [{"ind',
    "garbage": bytes(range(256)),
    "a list": b"[]",
    "null": b"null",
    "other": b'{"name": 3, "tasks": {"a": 1}, "state": "gone", "files": 5, "mean": 7}',
    "deep": b"[" * 100_000,
}
SCREENS = (Home, Head, JobBar, HistoryPanel, RunPanel, Tasks, Results, Skills, TryIt, Share)


def make_project(workspace: Workspace, name: str, owner: str = "local") -> Project:
    """A project with two tasks and two ended runs."""
    project = workspace.create_project(name, owner)
    for task in ("first", "second"):
        path = workspace.root / f"{task}.csv"
        path.write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(40)), encoding="utf-8")
        add_task(project, path, TaskRequest(name=task))
    for run_id in ("r1", "r2"):
        folder = RunFolder(write_stage(stages()[0], project.runs_dir / f"{name}-{run_id}"))
        folder.adapter_dir.mkdir()
        folder.write_status(RunStatus(state="succeeded", created=1.0))
        folder.write_done({"state": "succeeded", "ended": 2.0})
        write_json_atomic(folder.record_path, {})
        write_json_atomic(folder.description_path, {"method": "cpoly", "parameters": 1})
    return project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    workspace = Workspace(root)
    for name in ("hurt", "whole"):
        make_project(workspace, name)
    return root


@pytest.fixture
def context(made: Path, tmp_path: Path) -> Context:
    root = tmp_path / "workspace"
    shutil.copytree(made, root)
    return Context(Workspace(root))


def named(context: Context, name: str) -> Project:
    return context.workspace.get_project(name)


@pytest.fixture(scope="module")
def page(made: Path) -> tuple[Context, list[Redraw], RunPanel]:
    """All screens, built once; the workspace they look at is changed under them."""
    context, parts, run_panel = Context(Workspace(made)), [], None
    for screen in SCREENS:
        panel = build_panel(screen, context)
        parts += context.redraws[context.screen]
        run_panel = panel if screen is RunPanel else run_panel
    return context, parts, run_panel


@pytest.fixture
def draw_all(page: tuple[Context, list[Redraw], RunPanel], context: Context) -> Callable[[Selection], list[Any]]:
    """What every screen says when it is drawn: worded errors, or none."""

    def draw(selection: Selection) -> list[Any]:
        page[0].workspace, said = context.workspace, []
        for redraw in page[1]:
            values = [selection, *(getattr(component, "value", None) for component in redraw.inputs[1:])]
            try:
                redraw.handler(*values)
            except gr.Error as error:
                said.append(error)
        return said

    return draw


def test_a_damaged_run_costs_itself_only(context: Context, subtests: Any) -> None:
    project, other = named(context, "hurt"), named(context, "whole")
    place = project.runs_dir / "hurt-r1"
    kept = {path.name: path.read_bytes() for path in place.glob("*") if path.is_file()}
    assert {"run.json", "DONE", "status.json", "results.json"} <= set(kept)
    for file in kept:
        for kind, data in DAMAGE.items():
            with subtests.test(file=file, damage=kind):
                (place / file).write_bytes(data)
                runs = {run.run_id: run for run in list_summaries(project)}
                assert set(runs) == {"hurt-r1", "hurt-r2"}
                assert runs["hurt-r2"].state == "succeeded"
                assert not runs["hurt-r2"].damaged
                if file in ("run.json", "results.json", "DONE"):
                    assert runs["hurt-r1"].damaged == (file,)
                assert {run.state for run in list_summaries(other)} == {"succeeded"}
                (place / file).write_bytes(kept[file])
    (place / "run.json").write_bytes(b"")
    (place / "DONE").write_bytes(b"\0")
    delete_run(RunFolder(place))
    assert [run.run_id for run in list_summaries(project)] == ["hurt-r2"]


@pytest.mark.parametrize("file", ["run.json", "DONE", "status.json", "results.json", "config.yaml"])
def test_the_screens_show_the_damage_and_everything_else(
    page: Any, draw_all: Any, context: Context, file: str
) -> None:
    project, panel = named(context, "hurt"), page[2]
    (project.runs_dir / "hurt-r1" / file).write_bytes(b"\0\0")
    other = Selection(project_id=project.project_id, run_id="hurt-r2")
    assert draw_all(other) == []
    chosen = Selection(project_id=project.project_id, run_id="hurt-r1")
    for said in draw_all(chosen):
        assert "incident" not in str(said).lower(), said
        assert file in str(said), said
    if file != "run.json":  # which names the engine
        assert terms_of_act(context, chosen, "kill") == terms_of_act(context, chosen, "stop") == "", (
            "it can be ended"
        )
    drawn = panel.draw(context, chosen, panel.curves.value)
    if file != "status.json":  # which only repeats what DONE says
        assert file in drawn[panel.progress]
        assert drawn[panel.buttons["delete"]]["visible"]


def test_a_damaged_task_is_a_card_and_can_be_removed(draw_all: Any, context: Context) -> None:
    project = named(context, "hurt")
    task_id = list_tasks(project)[0].task_id
    for data in DAMAGE.values():
        (project.tasks_dir / task_id / "task.json").write_bytes(data)
        assert [spec.name for spec in list_tasks(project)] == ["second"]
    selection = Selection(project_id=project.project_id, run_id="hurt-r1")
    assert draw_all(selection) == []
    screen = build_panel(Tasks, context)
    cards = screen.draw_cards(context, selection, "", None)[screen.listed]
    assert [card["tone"] for card in cards if card["id"] == task_id] == ["bad"]
    choose_task(context, selection, SimpleNamespace(id=task_id, act="act"))
    assert list_damaged_tasks(project) == []
    with pytest.raises(TaskloomError):
        choose_task(context, selection, SimpleNamespace(id=list_tasks(project)[0].task_id, act="act"))
    assert len(list_tasks(project)) == 1


def test_a_damaged_project_comes_back_from_its_copy(context: Context) -> None:
    project = named(context, "hurt")
    for data in (*DAMAGE.values(), None):
        if data is None:
            (project.path / RECORD).unlink()
        else:
            (project.path / RECORD).write_bytes(data)
        assert Workspace(context.workspace.root).get_project("hurt") == project
        assert context.workspace.list_damaged_projects() == []


def test_without_a_copy_it_is_a_card_that_repairs_it(draw_all: Any, context: Context) -> None:
    project = named(context, "hurt")
    (project.path / COPY).unlink()
    other = Selection(project_id=named(context, "whole").project_id, run_id="whole-r1")
    for data in DAMAGE.values():
        (project.path / RECORD).write_bytes(data)
        assert [p.name for p in context.workspace.list_projects()] == ["whole"]
        assert [p.path.name for p in context.workspace.list_damaged_projects()] == [project.project_id]
    assert draw_all(other) == []
    screen = build_panel(Home, context)
    assert screen.draw(context, other)[screen.projects][0]["id"] == project.project_id
    shared = Context(context.workspace, shared=True)
    shown = build_panel(Home, shared)
    assert all(card["tone"] != "bad" for card in shown.draw(shared, other)[shown.projects])
    screen.open_project(context, other, SimpleNamespace(id=project.project_id, act="act"))
    assert len(list_tasks(context.workspace.get_project(project.project_id))) == 2
    with pytest.raises(WorkspaceError):
        context.workspace.repair_project(other.project_id)


@pytest.mark.parametrize("kind", ["empty", "garbage", "cut", "page", "foreign", "text"])
def test_a_damaged_database_is_made_anew_from_the_folders(context: Context, kind: str) -> None:
    project = named(context, "hurt")
    list_summaries(project)
    waits = RunFolder(write_stage(stages()[0], project.runs_dir / "hurt-r3"))
    waits.write_status(RunStatus(state=QUEUED, created=3.0))
    lock = try_lock(waits.lock_path)
    queue = RunQueue(context.workspace.root)
    queue.enqueue(waits.path, "cpu")
    with sqlite3.connect(queue.path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    whole = queue.path.read_bytes()
    for suffix in ("-wal", "-shm"):
        queue.path.with_name(f"runs.db{suffix}").unlink(missing_ok=True)
    queue.path.unlink()
    damaged = {"empty": b"", "garbage": bytes(5000), "cut": whole[:-4096], "text": b"no database" * 999}
    damaged["page"] = whole[:4096] + bytes([255]) * (len(whole) - 4096)
    if kind == "foreign":
        with sqlite3.connect(queue.path) as db:
            db.execute("CREATE TABLE finished (other TEXT)")
        db.close()
    else:
        queue.path.write_bytes(damaged[kind])
    try:
        for _ in range(2):
            assert len(list_summaries(project)) == 3
        if kind != "empty":
            assert queue.waiting("cpu") == [waits.path.resolve()]
        assert run_state(waits).state == QUEUED
        queue.enqueue(waits.path, "cpu")
        assert queue.waiting() == [waits.path.resolve()]
    finally:
        assert lock is not None
        os.close(lock)


def test_a_locked_database_lets_the_screens_answer(draw_all: Any, context: Context) -> None:
    project = named(context, "hurt")
    before = list_summaries(project)
    db = sqlite3.connect(RunQueue(context.workspace.root).path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=DELETE")  # in which readers wait for a writer, too
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        write_json_atomic(project.runs_dir / "hurt-r2" / "run.json", {"name": "new", "tasks": []})
        began = time.monotonic()
        found = list_summaries(project)
        assert draw_all(Selection(project_id=project.project_id, run_id="hurt-r1")) == []
        assert time.monotonic() - began < 30  # waited for the lock once or twice, not at every look (10 s each)
    finally:
        db.close()
    assert [run.run_id for run in found] == [run.run_id for run in before]
    assert next(run for run in found if run.run_id == "hurt-r2").name == "new"


def test_a_list_is_read_while_others_delete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gone between the look at the folder and the reading of the file is not there any more."""
    workspace = Workspace(tmp_path)
    project = make_project(workspace, "going")
    other = workspace.create_project("gone")
    run, task = project.runs_dir / "going-r2", project.tasks_dir / list_tasks(project)[0].task_id
    real = Path.read_text
    victims = {run / "run.json": run, task / "task.json": task, other.path / RECORD: other.path}

    def read_text(self: Path, *args: Any, **kwargs: Any) -> str:
        if self in victims:
            shutil.rmtree(victims[self], ignore_errors=True)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", read_text)
    assert [p.name for p in Workspace(tmp_path).list_projects()] == ["going"]
    assert len(list_tasks(project)) == 1
    assert [found.run_id for found in list_summaries(project)] == ["going-r1"]
    assert json.loads(real(project.path / RECORD))["name"] == "going"

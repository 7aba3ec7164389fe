"""Parsing in a child process: the same results and errors, and a bomb or a hang costs only its own upload."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.base.errors import SettingError, TaskFileError, WorkspaceError
from core.base.warm import WarmProgram
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.domain import add_files
from core.tasks.changing.isolation import ParseLimits, health_isolated, preview_isolated, stage_isolated, warm_child
from core.tasks.changing.preview import preview_file
from core.tasks.cuts import LengthLimit
from core.tasks.health.report import health_report
from core.tasks.reading.readings import ReadOptions
from core.tasks.store import list_tasks
from core.workspace import Project
from tests.base.test_warm import ready


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProgram]:
    program = warm_child()
    with program.kept():
        ready(program)
        yield program


@pytest.fixture(params=["from nothing", "warm"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child is started as on the command line, or as by a page."""
    if request.param == "warm":
        program = request.getfixturevalue("warm")
        monkeypatch.setattr("core.base.processes._start", lambda *_, **__: pytest.fail("started from nothing"))
        assert program.pid is not None
    else:
        monkeypatch.setattr("core.base.processes._READY", {})


@pytest.mark.usefixtures("door")
def test_the_child_gives_what_this_process_gives(project: Project, small_csv: Path) -> None:
    options = ReadOptions(header=True)
    assert preview_isolated(small_csv, options) == preview_file(small_csv, options)
    here = add_task(project, small_csv, TaskRequest(name="here", instruction="Do."))
    there = add_task(project, small_csv, TaskRequest(name="there", instruction="Do."), isolated=True)
    differing = ("task_id", "name", "created")
    assert {k: v for k, v in here.as_dict().items() if k not in differing} == {
        k: v for k, v in there.as_dict().items() if k not in differing
    }
    assert [s.name for s in list_tasks(project)] == ["here", "there"]


@pytest.mark.usefixtures("door")
def test_errors_come_back_in_the_same_words(project: Project, small_csv: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\n", encoding="utf-8")
    with pytest.raises(TaskFileError) as here:
        preview_file(bad)
    with pytest.raises(TaskFileError) as there:
        preview_isolated(bad)
    assert str(here.value) == str(there.value)
    with pytest.raises(SettingError, match="nope"):
        add_task(project, small_csv, TaskRequest(metric="nope"), isolated=True)
    assert not list(project.tasks_dir.iterdir())


@pytest.mark.usefixtures("door")
def test_memory_is_limited(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps([{"text": "x" * 900_000, "label": "a"}] * 60), encoding="utf-8")
    with pytest.raises(TaskFileError) as caught:
        stage_isolated(project, path, TaskRequest(), frozenset(), ParseLimits(memory_mb=150))
    assert caught.value.key == "file.too_much_memory"
    assert "150 MB" in caught.value.message
    assert not list(project.tasks_dir.iterdir())


@pytest.mark.usefixtures("door")
def test_the_health_report_crosses_unchanged(project: Project, small_csv: Path) -> None:
    small_csv.write_text(small_csv.read_text(encoding="utf-8") + "text number 4,blue\n,red\n", encoding="utf-8")
    add_task(project, small_csv)
    report = health_report(project, limit=LengthLimit(5))
    assert report.tasks[0].findings
    assert health_isolated(project, limit=LengthLimit(5)) == report
    with pytest.raises(WorkspaceError, match="nope"):
        health_isolated(project, ["nope"])


def test_time_is_limited(tmp_path: Path) -> None:
    pipe = tmp_path / "endless.csv"
    os.mkfifo(pipe)  # opening it waits for a writer that never comes
    started = time.monotonic()
    with pytest.raises(TaskFileError) as caught:
        preview_isolated(pipe, limits=ParseLimits(seconds=2))
    assert caught.value.key == "file.took_too_long"
    assert time.monotonic() - started < 20


def test_secrets_do_not_reach_the_child(
    project: Project, small_csv: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: dict[str, str] = {}
    real = subprocess.Popen

    def spy(command: list[str], **options: object) -> object:
        seen.update(options["env"])  # type: ignore[call-overload]
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("core.base.processes._READY", {})
    monkeypatch.setattr("core.base.processes.subprocess.Popen", spy)
    report = add_files(project, [small_csv])
    assert len(report.added) == 1
    assert seen
    assert "hf_secret" not in seen.values()


def test_secrets_do_not_reach_a_child_that_is_kept_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    program = warm_child()
    with program.kept():
        seen = Path(f"/proc/{ready(program)}/environ").read_bytes()
    assert b"PYTHONUTF8=1" in seen
    assert b"hf_secret" not in seen

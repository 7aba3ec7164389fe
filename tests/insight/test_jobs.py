"""A job is a detached command: followed by its folder alone, stopped, started twice at most, and its refusals
worded."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from core.base.errors import RunError
from core.insight import jobs
from core.insight.jobs import DONE, FAILED, RUNNING, STOPPED, VARIABLE, note_progress, read_job, start_job, stop_job
from core.workspace import Workspace

SLOW = """
import json, os, sys, time
from core.insight.jobs import note_progress
note_progress(0, 4)
time.sleep(0.4)
note_progress(1, 4)
time.sleep(60 if "wait" in sys.argv else 0)
print(json.dumps({"words": sys.argv[1:], "seconds": os.environ.get("TASKLOOM_JOB_SECONDS")}))
"""


def wait(folder: Path, *states: str) -> jobs.JobState:
    for _ in range(600):
        state = read_job(folder)
        if state.state in states:
            return state
        time.sleep(0.1)
    raise AssertionError(state)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Jobs run a script that notes progress and waits instead of the command line."""
    script = tmp_path / "slow.py"
    script.write_text(SLOW, encoding="utf-8")
    monkeypatch.setattr(jobs, "_command", lambda words, root: jobs.python(str(script), *words))
    return tmp_path / "job"


def test_a_job_is_followed_to_its_end(slow: Path, tmp_path: Path) -> None:
    assert read_job(slow).state == "none"
    assert start_job(slow, tmp_path, ["quick"]).state in (RUNNING, DONE)
    state = wait(slow, DONE)
    assert state.value == {"words": ["quick"], "seconds": None}
    assert state.share == 1.0
    start_job(slow, tmp_path, ["again"], seconds=0.3)  # the last of what a visitor has; 0 would be no bound
    assert wait(slow, DONE).value == {"words": ["again"], "seconds": "1"}


def test_a_job_is_started_once_and_stopped(slow: Path, tmp_path: Path) -> None:
    start_job(slow, tmp_path, ["wait"])
    for _ in range(200):
        state = read_job(slow)
        if state.done:
            break
        time.sleep(0.05)
    assert (state.done, state.total) == (1, 4)
    assert state.eta_s is not None
    assert state.eta_s <= 60
    pid = json.loads((slow / "launch.json").read_text(encoding="utf-8"))["pid"]
    assert start_job(slow, tmp_path, ["other"]).state == RUNNING
    assert json.loads((slow / "launch.json").read_text(encoding="utf-8"))["pid"] == pid
    stop_job(slow)
    assert wait(slow, STOPPED, FAILED).state == STOPPED
    with pytest.raises(RunError, match="Nothing is running"):
        stop_job(slow)


def test_a_killed_job_is_seen_as_dead(slow: Path, tmp_path: Path) -> None:
    start_job(slow, tmp_path, ["wait"])
    wait(slow, RUNNING)
    os.kill(json.loads((slow / "launch.json").read_text(encoding="utf-8"))["pid"], 9)
    state = wait(slow, FAILED, DONE)
    assert state.key == "run.unexpected"


def test_a_refusal_keeps_its_words(tmp_path: Path) -> None:
    Workspace(tmp_path).create_project("Desk")
    start_job(tmp_path / "job", tmp_path, ["knockout", "nothing"])
    state = wait(tmp_path / "job", FAILED, DONE)
    assert state.state == FAILED
    assert "nothing" in str(state.values)


def test_outside_of_a_job_nothing_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    note_progress(1, 2)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(jobs, "_last_note", 0.0)
    note_progress(1, 2)
    note_progress(1, 2)  # within the gap
    assert json.loads((tmp_path / "progress.json").read_text(encoding="utf-8"))["done"] == 1


def test_a_job_ends_with_what_it_is_about(slow: Path, tmp_path: Path) -> None:
    """Before, its process went on with the rows of a project that its owner had deleted."""
    workspace = Workspace(tmp_path)
    project, other = (workspace.create_project(name) for name in ("Gone", "Kept"))
    folders = [place.path / "jobs" / "exam" for place in (project, other)]
    try:
        for folder in folders:
            start_job(folder, tmp_path, ["wait"])
        jobs.end_jobs(tmp_path, project.project_id, "a run of it")
        assert [read_job(folder).state for folder in folders] == [RUNNING, RUNNING]
        jobs.end_jobs(tmp_path, project.project_id)
        assert [read_job(folder).state for folder in folders] == [STOPPED, RUNNING]
        assert [place.project_id for place, _ in jobs.live_jobs(tmp_path)] == [other.project_id]
    finally:
        for place in (project, other):
            jobs.end_jobs(tmp_path, place.project_id)

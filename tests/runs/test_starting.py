"""Who may start a run, however many ask: clicks, browsers, apps."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import RunError, WorkspaceError
from core.runs.creation import list_runs
from core.runs.engines.local import worker_processes
from core.runs.folder import RunFolder
from core.runs.launching import begin_run, kill_run, start_run
from core.runs.queue_db import RunQueue
from core.workspace import Project
from tests.toy_project import quick_config, quick_run


@pytest.mark.usefixtures("sleepers")
def test_many_hands_start_a_run_once(project: Project, tiny_llama: Path) -> None:
    """Two browsers, two apps: whoever comes, one worker."""
    folder = quick_run(project, tiny_llama)
    refused: list[str] = []

    def start() -> None:
        try:
            start_run(RunFolder(folder.path))
        except RunError as error:
            refused.append(error.key)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["run.already_started"] * 5
    assert len(worker_processes(folder)) == 1


@pytest.mark.usefixtures("sleepers")
def test_a_double_click_makes_one_run_and_two_browsers_make_two(project: Project, tiny_llama: Path) -> None:
    made: list[str] = []

    def click(token: str) -> None:
        made.append(begin_run(project, quick_config(tiny_llama), token).run_id)

    threads = [threading.Thread(target=click, args=(token,)) for token in ("one", "one", "one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert {f.run_id for f in list_runs(project)} == set(made)  # no draft is left of the clicks that came late
    assert len(set(made)) == 2
    assert all(len(worker_processes(f)) == 1 for f in list_runs(project))


def test_a_refused_start_gives_its_token_back(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def launch(*_: Any) -> Any:
        raise WorkspaceError("workspace.read_only", path="x", detail="full")

    monkeypatch.setattr("core.runs.engines.local.LocalLauncher.submit", launch)
    with pytest.raises(WorkspaceError):
        begin_run(project, quick_config(tiny_llama), "click")
    assert list_runs(project) == []
    assert RunQueue(project.path.parents[1]).claim_token("click", project.runs_dir) is None


RACER = """
import sys, time
from core.base.errors import RunError
from core.runs import launchers
from core.runs.folder import RunFolder
from core.runs.launching import start_run
launchers.worker_command = lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"]
print("ready", flush=True)
sys.stdin.readline()
try:
    start_run(RunFolder(sys.argv[1]))
    print("started", flush=True)
except RunError as error:
    print(error.key, flush=True)
"""


def test_two_apps_on_one_workspace_start_a_run_once(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    command = [sys.executable, "-c", RACER, str(folder.path)]
    apps = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for app in apps:
            assert app.stdout is not None
            assert app.stdout.readline() == "ready\n"
        said = [app.communicate("go\n", timeout=60)[0].strip() for app in apps]
        assert sorted(said) == ["run.already_started", "started"]
        assert len(worker_processes(folder)) == 1
    finally:
        kill_run(folder)

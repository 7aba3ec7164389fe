"""A project of a test's own, and workers that only sleep."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.runs import launchers
from core.runs.creation import list_runs
from core.runs.launching import kill_run
from core.runs.liveness import run_state
from core.workspace import Project
from tests.toy_project import build_toy_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A toy project of this test's own; what still runs at its end is ended."""
    project = build_toy_project(tmp_path)
    yield project
    for folder in list_runs(project):
        if run_state(folder).is_live:
            kill_run(folder)


@pytest.fixture
def sleepers(monkeypatch: pytest.MonkeyPatch, project: Project) -> Iterator[None]:
    """Workers that hold their lock and do nothing: enough to prove who may start."""
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(launchers, "worker_command", lambda *_: sleeping)
    yield
    for folder in list_runs(project):
        if run_state(folder).is_live:
            kill_run(folder)

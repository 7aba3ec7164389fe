"""Waiting for a run in tests: what a person watching the screen does."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.runs.creation import list_runs
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.states import LIVE, RunStatus
from core.workspace import Workspace

PATIENCE_S = 120.0


def wait_for(folder: RunFolder, reached: Callable[[RunStatus], bool]) -> RunStatus:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        status = run_state(folder)
        if reached(status):
            return status
        time.sleep(0.05)
    raise AssertionError(f"{run_state(folder)}\n{folder.read_log()}")


def ended(status: RunStatus) -> bool:
    return not status.is_live


def trains(status: RunStatus) -> bool:
    return (status.state, status.stage) == ("running", "stage1") and status.step >= 7


def reconcile_runs(workspace: Workspace) -> list[RunFolder]:
    """Looks at every run once, as a page does when it opens. Live workers go on; the runs of dead ones become
    interrupted (or cancelled, when that was wished) and are returned."""
    changed = []
    for project in workspace.list_projects():
        for folder in list_runs(project):
            before = folder.read_status().state
            if before in LIVE and not run_state(folder).is_live:
                changed.append(folder)
    return changed

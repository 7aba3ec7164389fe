"""Several runs on another engine at once: a study, or the runs that leave one task out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from core.base.errors import RunError
from core.runs.folder import RunFolder
from core.runs.launching import prepare_resume, put_on, start_together
from core.runs.liveness import run_state
from core.runs.states import DRAFT, INTERRUPTED, SUCCEEDED, RunStatus
from core.runs.where import Engine

POLL_S = 0.5
OnStatuses = Callable[[list[RunStatus]], None]


def run_together(folders: Sequence[RunFolder], engine: Engine, on_statuses: OnStatuses) -> None:
    """Starts on an engine what has not begun or was interrupted, and waits until all have ended; what is at work
    already, wherever, is waited for.

    Raises:
        RunError: the engine refuses the runs, or one of them did not succeed; the others have ended all the same.
    """
    due = []
    for folder in folders:
        state = run_state(folder).state
        if state == INTERRUPTED:
            prepare_resume(folder, engine)
        if state in (DRAFT, INTERRUPTED):
            put_on(folder, engine)
            due.append(folder)
    if due:
        start_together(due)
    statuses = [run_state(folder) for folder in folders]
    while any(status.is_live for status in statuses):
        on_statuses(statuses)
        time.sleep(POLL_S)
        statuses = [run_state(folder) for folder in folders]
    on_statuses(statuses)
    for folder, status in zip(folders, statuses, strict=True):
        if status.state != SUCCEEDED:
            raise RunError("command.run_ended", run=folder.run_id, state=status.state)

"""Runs that belong together, on another engine at once or in turn here: a study, or what leaves one task out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from core.base.errors import RunError, TaskloomError
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.launching import prepare_resume, put_on, resume_run, start_run, start_together
from core.runs.liveness import run_state
from core.runs.states import DRAFT, INTERRUPTED, SUCCEEDED, RunStatus
from core.runs.where import HERE, Engine

POLL_S = 0.5
OnStatuses = Callable[[list[RunStatus]], None]


def run_together(folders: Sequence[RunFolder], engine: Engine, on_statuses: OnStatuses) -> None:
    """Starts on an engine what has not begun or was interrupted, and waits until all have ended; what is at work
    already, wherever, is waited for.

    Raises:
        RunError: the engine refuses runs, or one of them did not succeed; the others have ended all the same.
    """
    due = []
    for folder in folders:
        state = run_state(folder).state
        if state == INTERRUPTED:
            prepare_resume(folder, engine)
        if state in (DRAFT, INTERRUPTED):
            put_on(folder, engine)
            due.append(folder)
    refused = _start(due)
    left = count_due(folders)
    statuses = [run_state(folder) for folder in folders]
    if refused and not any(status.is_live for status in statuses):
        raise refused
    while any(status.is_live for status in statuses):
        on_statuses(statuses)
        time.sleep(POLL_S)
        statuses = [run_state(folder) for folder in folders]
    on_statuses(statuses)
    if refused:
        why = Sentence(refused.key, refused.values)
        raise RunError("run.some_refused", engine=engine.name, n=left, total=len(folders), why=why)
    for folder, status in zip(folders, statuses, strict=True):
        if status.state != SUCCEEDED:
            raise RunError("command.run_ended", run=folder.run_id, state=status.state)


def begin_here(folder: RunFolder) -> RunStatus:
    """Starts on this machine a run that has not begun or was interrupted, wherever it was to be before: to another
    engine it goes only once somebody has agreed to that again. -> its state before.

    Raises:
        RunError, WorkspaceError: as `start_run` and `resume_run`.
    """
    status = run_state(folder)
    if status.state == INTERRUPTED:
        resume_run(folder, on=HERE.name)
    elif status.state == DRAFT:
        put_on(folder, HERE)
        start_run(folder)
    return status


def count_due(folders: Iterable[RunFolder | None]) -> int:
    """How many runs would be started: those not made yet (None), not begun, or interrupted."""
    return sum(folder is None or run_state(folder).state in (DRAFT, INTERRUPTED) for folder in folders)


def _start(due: Sequence[RunFolder]) -> TaskloomError | None:
    """What an engine that takes one run after the other may say after it has taken some: they are at work, and
    whoever asked for all waits for them first."""
    try:
        if due:
            start_together(due)
    except TaskloomError as error:
        return error
    return None

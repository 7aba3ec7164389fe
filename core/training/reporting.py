"""What training needs from the place it runs in: somewhere to report to, and the user's wishes. Torch-free.

The worker implements `Journal` on a run folder; tests use lists. Training knows nothing of processes or the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

STOP = "stop"  # end the training, keep the best adapter
CANCEL = "cancel"  # end at once, keep nothing
PAUSE = "pause"  # save a checkpoint and end; the run is resumed later


class Journal(Protocol):
    """Where a run reports to. Every method returns at once."""

    def event(self, kind: str, **fields: Any) -> None:
        """Adds a line to the run's events: loss, validation, stage, checkpoint, exam, notice."""

    def progress(self, **changes: Any) -> None:
        """Changes fields of the run's status (stage, step, progress, eta_s, message_key, ...)."""

    def wish(self) -> str | None:
        """STOP, CANCEL, PAUSE or None; asked after every step."""


def telling_tasks(journal: Journal) -> Callable[[int, int], None]:
    """Says how many of the tasks' parts are measured: of hundreds it takes a while."""
    return lambda done, total: journal.progress(
        message_key="run.saving_parts", message_values={"done": done, "total": total}
    )


def telling_passes(journal: Journal) -> Callable[[int, int], None]:
    """Says how often the check rows were read so far to weigh the skills."""
    return lambda done, total: journal.progress(
        message_key="run.weighing_passes", message_values={"done": done, "total": total}
    )


class RunPaths(Protocol):
    """The files of a run that training writes; `core.runs.folder.RunFolder` has them all."""

    path: Path
    data_dir: Path
    adapter_dir: Path
    description_path: Path
    checkpoints_dir: Path
    tracking_dir: Path
    predictions_dir: Path
    allocation_path: Path
    snapshot_lines_path: Path
    snapshots_path: Path
    results_path: Path
    certainty_path: Path
    record_path: Path
    prediction_path: Path
    contributions_path: Path
    evidence_path: Path
    forgetting_path: Path

    @property
    def frozen_weights_path(self) -> Path:
        """Skills of earlier runs that this one takes over; there is a file only where it does."""


class RunCancelled(Exception):
    """The user cancelled; nothing is kept."""


class RunPaused(Exception):
    """The worker was asked to end; a checkpoint was saved."""

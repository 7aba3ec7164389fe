"""Measuring again what common and private skills add in a finished run (runs of older versions lack it). Needs
torch."""

from __future__ import annotations

from pathlib import Path

from core.asking.trained import load_trained
from core.evaluation.contributions import write_contributions
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset


def measure_run(run_dir: Path) -> None:
    """Writes <run>/contributions.json.

    Raises:
        RunError: the run has no trained adapter. ModelError: it cannot be loaded.
    """
    folder = RunFolder(run_dir)
    trained = load_trained(folder)
    write_contributions(folder.contributions_path, trained.base, trained.model, load_saved_dataset(folder.data_dir))

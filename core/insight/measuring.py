"""Measuring again what common and private skills add in a finished run (runs of older versions lack it). Needs
torch."""

from __future__ import annotations

from pathlib import Path

from core.errors import RunError
from core.evaluation.contributions import write_contributions
from core.models.modular import load_adapter
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset
from core.training.device import apply_device, choose_device, load_chosen_base


def measure_run(run_dir: Path) -> None:
    """Writes <run>/contributions.json.

    Raises:
        RunError: the run has no trained adapter. ModelError: it cannot be loaded.
    """
    folder = RunFolder(run_dir)
    if not folder.adapter_dir.is_dir():
        raise RunError("serving.no_adapter", run=folder.run_id)
    config = folder.read_config()
    choice = choose_device(config)
    apply_device(choice)
    base = load_chosen_base(config.base_model, choice)
    write_contributions(run_dir, base, load_adapter(base, folder.adapter_dir), load_saved_dataset(folder.data_dir))

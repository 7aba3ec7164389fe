"""A finished run loaded on its device, for every question that is asked of it afterwards. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.base.errors import RunError
from core.models.building import load_adapter
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.runs.folder import RunFolder
from core.training.config import RunConfig
from core.training.device import apply_device, choose_device, load_chosen_base


@dataclass(frozen=True)
class TrainedRun:
    """The run's settings, its base model in the run's number types, and the base with the trained adapter on it."""

    config: RunConfig
    base: LoadedBase
    model: ModularModel
    device: torch.device


def require_adapter(folder: RunFolder) -> None:
    """Raises RunError when the run has no trained adapter."""
    if not folder.adapter_dir.is_dir():
        raise RunError("serving.no_adapter", run=folder.run_id)


def load_trained(folder: RunFolder) -> TrainedRun:
    """Loads a run; threads and matrix precision of this process become the run's.

    Raises:
        RunError: the run has no trained adapter. ModelError: it cannot be loaded.
    """
    require_adapter(folder)
    config = folder.read_config()
    choice = choose_device(config)
    device = apply_device(choice)
    base = load_chosen_base(config.base_model, choice)
    return TrainedRun(config, base, load_adapter(base, folder.adapter_dir), device)

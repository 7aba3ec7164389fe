"""Resumable checkpoints: written to a temporary folder, synced, listed with hashes in a manifest, then renamed.

    <checkpoints>/step-00000120/   adapter.safetensors  adapter.json   the adapter (see core/models/modular.py)
                                   best.safetensors                    the best adapter of the stage so far
                                   optimizer.safetensors               moments of every parameter, by its place
                                   state.json                          stage, step, best value, ...
                                   manifest.json                       size and SHA-256 of every file

A folder without a manifest, or with one that does not fit, is never read. No pickle is written or read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.base.errors import WorkspaceError
from core.base.folders import remove_folder, remove_leftovers, whole_folder
from core.training.manifest import TrainingState, list_checkpoints, read_state, sync_folder, write_state

OPTIMIZER, ADAPTER, BEST = "optimizer.safetensors", "adapter.safetensors", "best.safetensors"
Tensors = dict[str, Tensor]


@dataclass
class Checkpoint:
    """A checkpoint in memory."""

    state: TrainingState
    adapter: Tensors
    best: Tensors | None
    optimizer: Tensors


def save_checkpoint(checkpoints_dir: Path, name: str, checkpoint: Checkpoint) -> Path:
    """Writes a checkpoint so that a kill or power cut at any moment leaves the older ones valid.

    Raises:
        WorkspaceError: the disk is full or not writable; nothing half-written stays under the final name.
    """
    final = checkpoints_dir / name
    try:
        with whole_folder(final) as building:
            _write_tensors(building / ADAPTER, checkpoint.adapter)
            _write_tensors(building / OPTIMIZER, checkpoint.optimizer)
            if checkpoint.best is not None:
                _write_tensors(building / BEST, checkpoint.best)
            write_state(building, checkpoint.state)
            sync_folder(building)
        sync_folder(checkpoints_dir)
    except (OSError, SafetensorError) as error:
        raise WorkspaceError("run.disk_full", path=str(final), detail=str(error)) from error
    return final


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint that `check_checkpoint` found good."""
    best = load_file(folder / BEST) if (folder / BEST).exists() else None
    return Checkpoint(read_state(folder), load_file(folder / ADAPTER), best, load_file(folder / OPTIMIZER))


def prune_checkpoints(checkpoints_dir: Path, keep: int) -> None:
    """Deletes all but the newest `keep` checkpoints, and what interrupted writes left behind."""
    for folder in list_checkpoints(checkpoints_dir)[keep:]:
        remove_folder(folder)
    remove_leftovers(checkpoints_dir, older_than_s=0.0)


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> Tensors:
    """The optimizer's tensors by "<place of the parameter>.<name>"; one that never had a gradient has none."""
    tensors: Tensors = {}
    for place, values in optimizer.state_dict()["state"].items():
        for name, value in values.items():
            tensors[f"{place}.{name}"] = torch.as_tensor(value).detach().to("cpu", copy=True).contiguous()
    return tensors


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Puts back what `flatten_optimizer` took; learning rates are the schedule's and stay."""
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        place, _, name = key.partition(".")
        states.setdefault(int(place), {})[name] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": states, "param_groups": whole["param_groups"]})


def _write_tensors(path: Path, tensors: Tensors) -> None:
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path)
    with open(path, "rb") as file:
        os.fsync(file.fileno())

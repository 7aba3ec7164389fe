"""Resumable checkpoints: written to a temporary folder, synced, listed with hashes in a manifest, then renamed.

    <checkpoints>/step-00000120/   adapter.safetensors  adapter.json   the adapter (see core/models/modular.py)
                                   best.safetensors                    the best adapter of the stage so far
                                   optimizer.safetensors               moments of every parameter, by its place
                                   state.json                          stage, step, best value, ...
                                   manifest.json                       size and SHA-256 of every file

A folder without a manifest, or with one that does not fit, is never read. No pickle is written or read.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import Problem, WorkspaceError

MANIFEST, STATE, OPTIMIZER, ADAPTER, BEST = (
    "manifest.json", "state.json", "optimizer.safetensors", "adapter.safetensors", "best.safetensors"
)
_BLOCK = 1 << 20
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class TrainingState:
    """Where a run stands: everything but tensors that the rest of the run depends on.

    `step` counts within the stage (0-based number of the next step), `micro` micro batches since the beginning of
    the run. `best_value` is the mean check loss in nats. Random draws follow from (seed, stage, step), so no
    generator's state is kept.
    """

    stage: int = 0
    step: int = 0
    best_value: float | None = None
    best_step: int = 0
    bad_checks: int = 0
    micro: int = 0
    tokens: int = 0
    seconds: float = 0.0
    stage_done: bool = False
    settings_hash: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


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
    building = checkpoints_dir / f".{name}.{secrets.token_hex(4)}.part"
    final = checkpoints_dir / name
    try:
        building.mkdir(parents=True)
        _write_tensors(building / ADAPTER, checkpoint.adapter)
        _write_tensors(building / OPTIMIZER, checkpoint.optimizer)
        if checkpoint.best is not None:
            _write_tensors(building / BEST, checkpoint.best)
        _write_synced(building / STATE, json.dumps(asdict(checkpoint.state), indent=1).encode())
        _write_synced(building / MANIFEST, json.dumps(_manifest_of(building), indent=1).encode())
        _sync_folder(building)
        replaced = checkpoints_dir / f".{name}.{secrets.token_hex(4)}.old"
        if final.exists():
            final.rename(replaced)
        building.rename(final)
        _sync_folder(checkpoints_dir)
        shutil.rmtree(replaced, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(building, ignore_errors=True)
        raise WorkspaceError("run.disk_full", path=str(final), detail=str(error)) from error
    return final


def check_checkpoint(folder: Path) -> list[Problem]:
    """What is wrong with a checkpoint: missing manifest, missing or changed files."""
    def damaged(detail: str) -> list[Problem]:
        return [Problem(folder.name, "checkpoint.damaged", {"name": folder.name, "detail": detail})]

    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, entry in manifest["files"].items():
            path = folder / name
            if path.stat().st_size != entry["size"] or _hash(path) != entry["sha256"]:
                return damaged(f"{name} has changed")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return damaged(str(error))
    return []


def load_checkpoint(folder: Path) -> Checkpoint:
    """Reads a checkpoint that `check_checkpoint` found good."""
    values = json.loads((folder / STATE).read_text(encoding="utf-8"))
    best = load_file(folder / BEST) if (folder / BEST).exists() else None
    return Checkpoint(TrainingState(**values), load_file(folder / ADAPTER), best, load_file(folder / OPTIMIZER))


def list_checkpoints(checkpoints_dir: Path) -> list[Path]:
    """Finished checkpoint folders, newest first; whether they are good is `check_checkpoint`'s to say."""
    if not checkpoints_dir.is_dir():
        return []
    return sorted((p for p in checkpoints_dir.iterdir() if p.name.startswith("step-")), reverse=True)


def find_checkpoint(checkpoints_dir: Path) -> tuple[Path | None, list[Problem]]:
    """The newest checkpoint that validates, and what was wrong with the newer ones."""
    problems: list[Problem] = []
    for folder in list_checkpoints(checkpoints_dir):
        found = check_checkpoint(folder)
        if not found:
            return folder, problems
        problems += found
    return None, problems


def prune_checkpoints(checkpoints_dir: Path, keep: int) -> None:
    """Deletes all but the newest `keep` checkpoints, and what interrupted writes left behind."""
    for folder in list_checkpoints(checkpoints_dir)[keep:]:
        grave = folder.with_name(f".{folder.name}.old")  # one atomic step, never a half-deleted checkpoint
        folder.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)
    for leftover in checkpoints_dir.glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)


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


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _manifest_of(folder: Path) -> dict[str, Any]:
    files = {p.name: {"size": p.stat().st_size, "sha256": _hash(p)} for p in sorted(folder.iterdir())}
    return {"format": 1, "files": files}


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

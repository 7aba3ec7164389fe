"""The torch-free half of checkpoints: where a run stands, and whether a checkpoint folder is whole.

Manifests list size and SHA-256 of every file. A folder without a manifest, or with one that does not fit, is never
read. The tensors are `checkpoints.py`'s.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.base.errors import Problem
from core.base.files import hash_file
from core.base.records import read_record
from core.base.settings import SAME_RESULT, describe_settings
from core.training.config import RunConfig, config_to_dict

MANIFEST, STATE = "manifest.json", "state.json"
# Settings that came after the first checkpoints, with the value at which training is what it was without them. At
# that value they are no part of a hash: what was interrupted before an update goes on after it. Every new setting
# that is not `SAME_RESULT` belongs here (one of a method as "adapter.<name>"); the value never changes again.
CAME_LATER: dict[str, Any] = {"card_paths": "plain", "chunks": "off", "freeze_skills": ""}


@dataclass(frozen=True)
class TrainingState:
    """Where a run stands: everything but tensors that the rest of the run depends on.

    `step` counts the steps done within the stage, `micro` the micro batches since the beginning of the run.
    `best_value` is the mean check loss in nats, or as `check_scores.value_of` has it. Random draws follow from
    (seed, micro), so no generator's state is kept.
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


def settings_hash(config: RunConfig) -> str:
    """Of all settings that the result of training depends on, those that came later only where they are used."""
    return _hash(config, CAME_LATER)


def is_of(state: TrainingState, config: RunConfig) -> bool:
    """Whether a checkpoint was trained with settings of the same result. For some hours of 30 Nov 2026 a setting
    that came later was part of the hash at any value; these came after them."""
    later = {name: CAME_LATER[name] for name in ("card_paths", "chunks")}
    return state.settings_hash in (settings_hash(config), _hash(config, later))


def _hash(config: RunConfig, left_out: dict[str, Any]) -> str:
    """`left_out`: settings that do not count while they have this value."""
    free = {info.name for info in describe_settings(RunConfig) if info.changed == SAME_RESULT}

    def counted(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        return {k: v for k, v in values.items() if prefix + k not in left_out or v != left_out[prefix + k]}

    values = {name: value for name, value in config_to_dict(config).items() if name not in free}
    values = counted({**values, "adapter": counted(values["adapter"], "adapter.")})
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def check_checkpoint(folder: Path) -> list[Problem]:
    """What is wrong with a checkpoint: missing manifest, missing or changed files."""

    def damaged(detail: str) -> list[Problem]:
        return [Problem(folder.name, "checkpoint.damaged", {"name": folder.name, "detail": detail})]

    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        for name, entry in manifest["files"].items():
            path = folder / name
            if path.stat().st_size != entry["size"] or hash_file(path) != entry["sha256"]:
                return damaged(f"{name} has changed")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return damaged(str(error))
    return []


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


def read_state(folder: Path) -> TrainingState:
    return read_record(TrainingState, folder / STATE)


def write_state(folder: Path, state: TrainingState) -> None:
    """Writes state.json and then the manifest over all files of the folder."""
    write_synced(folder / STATE, json.dumps(asdict(state), indent=1).encode())
    (folder / MANIFEST).unlink(missing_ok=True)
    files = {p.name: {"size": p.stat().st_size, "sha256": hash_file(p)} for p in sorted(folder.iterdir())}
    write_synced(folder / MANIFEST, json.dumps({"format": 1, "files": files}, indent=1).encode())


def write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The settings of a next run that follow from a verdict: a longer limit of tokens that fits nearly all rows, or
twice as much training. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.base.errors import ModelError, WorkspaceError
from core.insight.verdict_rules import ALLOW_LONGER, TRAIN_LONGER
from core.models.catalogue import find_model
from core.models.seeing import length_limit
from core.runs.folder import RunFolder
from core.tasks.cuts import measure_cuts
from core.tasks.dataset import Example, load_saved_dataset
from core.training.config import RunConfig

FITS = 0.05  # share of rows that may still be too long
MOST_EPOCHS, MOST_STEPS, MOST_TOKENS = 1000.0, 10_000_000, 131_072  # of the settings themselves
_LOOKED_AT = 200  # rows a task and side


def next_settings(run_dir: Path, task: str, step: str) -> dict[str, Any]:
    """What to change in the run's settings to do `step` for a task; {} where it is no matter of settings, or
    nothing more can be given (the limit is the base model's own)."""
    config = RunFolder(run_dir).read_config()
    if step == TRAIN_LONGER:
        return _longer_training(config)
    if step == ALLOW_LONGER:
        limit = _longer_texts(config, _rows(run_dir, task))
        return {"max_tokens": limit} if limit > config.max_tokens else {}
    return {}


def _longer_training(config: RunConfig) -> dict[str, Any]:
    if config.max_steps is not None:
        return {"max_steps": min(MOST_STEPS, 2 * config.max_steps)}
    return {"epochs": min(MOST_EPOCHS, 2 * config.epochs)}


def _longer_texts(config: RunConfig, rows: Sequence[Example]) -> int:
    """Doubled until nearly all rows fit, up to what the base model reads; once where rows or model are missing."""
    try:
        most = min(MOST_TOKENS, find_model(config.base_model).context or MOST_TOKENS)
        limit = min(most, 2 * config.max_tokens)
        while rows and limit < most and _share_cut(config, rows, limit) > FITS:
            limit = min(most, 2 * limit)
    except ModelError:
        return min(MOST_TOKENS, 2 * config.max_tokens)
    return limit


def _share_cut(config: RunConfig, rows: Sequence[Example], limit: int) -> float:
    cuts = measure_cuts(rows, length_limit(config.base_model, limit), len(rows))
    return (cuts.cut + cuts.left_out) / len(rows)


def _rows(run_dir: Path, task: str) -> list[Example]:
    """Practice and exam rows of a task, evenly chosen; [] where the run's data is gone."""
    try:
        dataset = load_saved_dataset(RunFolder(run_dir).data_dir)
    except WorkspaceError:
        return []
    if task not in dataset.names():
        return []
    index, found = dataset.names().index(task), []
    for split in ("train", "test"):
        rows = dataset.split(index, split)
        found += rows[:: max(1, len(rows) // _LOOKED_AT)]
    return found

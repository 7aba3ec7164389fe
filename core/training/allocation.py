"""The allocation in a run's folder: as it is now, and a line with its metrics for every check."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from core.adapters.allocation_metrics import NUMBERS_A_LINE, measure
from core.files import write_json_atomic
from core.models.modular import ModularModel
from core.training.journal import RunPaths


def write_allocation(
    model: ModularModel, paths: RunPaths, step: int, stage: int, final: bool = False
) -> None:
    """The whole table in allocation.json; in the history a line with the mean over the layers, the metrics of every
    layer, and the weights of every layer where they are few. The kept adapter has a line marked `final`,
    since a run that is resumed after it writes it once more."""
    weights, entries = model.allocation(), model.adapter.allocation_entries()
    table = model.allocation_table()
    logits = model.allocation_logits()
    if logits.size:
        table["logits"] = _rounded(logits, 6)
        table["entries"] = _rounded(entries, 6)
    common = [i for i, skill in enumerate(model.adapter.skills()) if skill.kind == "common"]
    metrics = measure(weights.astype(np.float64), entries.astype(np.float64), common)
    write_json_atomic(paths.allocation_path, {**table, "metrics": metrics, "step": step, "stage": stage})
    line = {"step": step, "stage": stage, "weights": _rounded(weights.mean(0), 5), "metrics": metrics}
    if final:
        line["final"] = True
    if weights.size <= NUMBERS_A_LINE:
        line["by_layer"] = _rounded(weights, 4)
    with open(paths.allocation_history_path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _rounded(numbers: np.ndarray, digits: int) -> Any:
    return numbers.astype(float).round(digits).tolist()

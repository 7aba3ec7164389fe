"""The allocation in a run's folder: as it is now, and a line with its metrics for every check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.adapters.allocation_metrics import measure
from core.adapters.own_columns import pack_weights
from core.base.files import write_json_atomic
from core.base.lines import append_records
from core.models.modular import ModularModel
from core.training.reporting import RunPaths


def write_allocation(model: ModularModel, paths: RunPaths, step: int, stage: int, final: bool = False) -> None:
    """The whole table in allocation.json; in the snapshots a line with the mean over the layers, the metrics of
    every layer, and beside it the weights of every layer (see `_add_snapshot`). The kept adapter has a line marked
    `final`, since a run that is resumed after it writes it once more."""
    weights, entries = model.allocation(), model.adapter.allocation_entries()
    table = model.allocation_table()
    logits = model.allocation_logits()
    if logits.size:
        table["logits"] = _rounded(logits, 6)
        table["entries"] = _rounded(entries, 6)
    common = [i for i, skill in enumerate(model.adapter.skills()) if skill.kind == "common"]
    metrics = measure(weights.astype(np.float64), entries.astype(np.float64), common)
    write_json_atomic(paths.allocation_path, {**table, "metrics": metrics, "step": step, "stage": stage})
    kept, own = pack_weights(weights.astype(np.float64), len(common))
    line: dict[str, Any] = {"step": step, "stage": stage, "weights": _rounded(kept.mean(0), 5), "metrics": metrics}
    line["own_private"] = own
    if final:
        line["final"] = True
    line["offset"] = _add_snapshot(paths.snapshots_path, kept.astype(np.float16))
    line["shape"] = list(kept.shape)
    append_records(paths.snapshot_lines_path, [line])


def _add_snapshot(path: Path, weights_LTS: np.ndarray) -> int:
    """Appends all layers as half-precision numbers (JSON would be five times as large); returns the offset. What a
    killed process wrote without its line is cut off when the run goes on (`session._cut_snapshots`)."""
    with open(path, "ab") as file:
        offset = file.tell()
        file.write(weights_LTS.tobytes())
    return offset


def _rounded(numbers: np.ndarray, digits: int) -> Any:
    return numbers.astype(float).round(digits).tolist()

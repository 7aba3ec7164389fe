"""The allocation over the steps of training, read so that a slider can move through hundreds of snapshots.

allocation_history.jsonl has a line a snapshot: {step, stage, weights [T][S] (mean over the layers), offset, shape};
at that byte of allocation_history.f16 all layers [L, T, S] lie as half-precision numbers. Older runs
have `by_layer` in the line, or the mean alone. Files are parsed once and kept while they do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.adapters import allocation_metrics
from core.adapters.own_columns import unpack_weights
from core.adapters.skill import COMMON, Skill
from core.insight import metrics
from core.insight.allocation import Allocation, Array, number_names, read_allocation_file, read_task_names
from core.runs.folder import RunFolder

MEAN = "mean"
MOST_POINTS = 60  # of a curve over time
KEPT_RUNS = 4


@dataclass(frozen=True)
class Snapshot:
    """One line of allocation_history.jsonl. `offset` and `shape` find its layers in the binary file, without the
    private skills where they are their own tasks' alone; older lines have them in `by_layer`."""

    step: int | None
    stage: int | None
    mean: Array
    offset: int | None = None
    shape: tuple[int, ...] = ()
    by_layer: Array | None = None
    own_private: int = 0


class Snapshots(Sequence[Allocation]):
    """Snapshots, oldest first; `snapshots[i]` has all layers where the run kept them, else the layer "mean"."""

    def __init__(
        self, path: Path, snapshots: list[Snapshot], tasks: tuple[str, ...], final: dict[str, Any] | None
    ) -> None:
        self._path, self._snapshots, self._tasks, self._final = path, snapshots, tasks, final

    def __len__(self) -> int:
        return len(self._snapshots)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        found = self._snapshots[index]
        weights = self._layers_of(found)
        if weights is None:
            return self._shaped(found, found.mean[None], (MEAN,))
        names = tuple(self._final["layers"]) if self._final else ()
        fits = len(names) == len(weights)
        return self._shaped(found, weights, names if fits else number_names("layer", len(weights)))

    def average(self, index: int) -> Allocation:
        """A snapshot averaged over its layers, without touching the layers."""
        found = self._snapshots[index]
        return self._shaped(found, found.mean[None], (MEAN,))

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row a snapshot (thinned to MOST_POINTS): step, stage, sharpness and usage of the common skills, and
        for every task the effective number of common skills (mean over the layers), under the task's name."""
        count = len(self)
        chosen = sorted({round(i) for i in np.linspace(0, count - 1, min(count, MOST_POINTS))}) if count else []
        rows = []
        for index in chosen:
            found = self[index]
            common = found.columns(COMMON)
            if not common:
                return pd.DataFrame()
            weights = found.weights[:, :, common]
            row = {"step": found.step, "stage": found.stage, "sharpness": metrics.sharpness(weights)}
            row["usage"] = float(np.mean([allocation_metrics.usage(layer) for layer in weights]))
            rows.append(row | dict(zip(self._tasks, metrics.effective_by_layer(weights).tolist(), strict=True)))
        return pd.DataFrame(rows)

    def _layers_of(self, snapshot: Snapshot) -> Array | None:
        if snapshot.offset is None:
            return snapshot.by_layer
        size = int(np.prod(snapshot.shape))
        try:
            found = np.fromfile(self._path, np.float16, size, offset=snapshot.offset)
        except OSError:
            return None
        if len(found) != size:
            return None
        return unpack_weights(found.astype(np.float64).reshape(snapshot.shape), snapshot.own_private)

    def _shaped(self, snapshot: Snapshot, weights: Array, layers: tuple[str, ...]) -> Allocation:
        skills = _skills(self._final, weights.shape[2])
        return Allocation(layers, self._tasks, skills, weights, snapshot.step, snapshot.stage)


def read_snapshots(run_dir: Path) -> Snapshots:
    """The snapshots of a run; empty while it has written none."""
    folder = RunFolder(run_dir)
    path = folder.snapshot_lines_path
    try:
        found = path.stat()
    except FileNotFoundError:
        return Snapshots(path, [], (), None)
    stamp = folder.allocation_path.stat().st_mtime_ns if folder.allocation_path.exists() else 0
    return _read(str(run_dir), (found.st_mtime_ns, found.st_size, stamp))


@lru_cache(maxsize=KEPT_RUNS)
def _read(run_dir: str, _: tuple[int, int, int]) -> Snapshots:
    folder = RunFolder(run_dir)
    snapshots = [_snapshot(record) for record in folder.read_snapshot_lines()]
    final = read_allocation_file(folder.path) if folder.allocation_path.exists() else None
    binary = folder.snapshots_path
    return Snapshots(binary, snapshots, tuple(read_task_names(folder.path)), final)


def _snapshot(record: dict[str, Any]) -> Snapshot:
    weights = np.asarray(record["weights"], dtype=np.float64)
    by_layer = np.asarray(record["by_layer"], dtype=np.float64) if "by_layer" in record else None
    if weights.ndim == 3:
        by_layer, weights = weights, weights.mean(0)
    shape, own = tuple(record["shape"]) if "offset" in record else (), record.get("own_private", 0)
    mean = unpack_weights(weights, own)
    return Snapshot(record.get("step"), record.get("stage"), mean, record.get("offset"), shape, by_layer, own)


def _skills(final: dict[str, Any] | None, count: int) -> tuple[Skill, ...]:
    """The final table's skills; a method with more of them in stage 2 lists those of stage 1 first."""
    listed = (final or {}).get("skills", [])
    if len(listed) >= count:
        return tuple(Skill(s["name"], s["kind"], s.get("task")) for s in listed[:count])
    return tuple(Skill(name, COMMON) for name in number_names("skill", count))

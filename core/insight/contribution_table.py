"""Common against private, and how alike tasks are in what they add to the model: measured parts as tables.

Reads <run>/contributions.json (`core.evaluation.contributions` measures it at the end of training). Torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.adapters.skill import COMMON, PRIVATE
from core.base.errors import RunError
from core.base.files import read_json
from core.insight.allocation import Array
from core.messages import Sentence
from core.runs.folder import RunFolder

ALIKE = 0.02
APART = 0.1  # cosines that differ by less name no pair


@dataclass(frozen=True)
class Contributions:
    """Sizes of output parts [T, L] (None: the method has no such parts) and cosines of weight deltas [T, T]."""

    tasks: tuple[str, ...]
    layers: tuple[str, ...]
    common: Array | None
    private: Array | None
    base: Array | None
    similarity: pd.DataFrame | None


def read_contributions(run_dir: Path) -> Contributions | None:
    """What was measured for a run; None for runs made before this was measured.

    Raises:
        RunError: the file does not fit the run.
    """
    path = RunFolder(run_dir).contributions_path
    if not path.is_file():
        return None
    record: dict[str, Any] = read_json(path)
    tasks, parts, cosines = tuple(record["tasks"]), record["parts"], record["similarity"]
    names = ("common", "private", "base")
    arrays = [np.asarray(parts[name], dtype=np.float64) if parts else None for name in names]
    if any(a is not None and a.shape != (len(tasks), len(record["layers"])) for a in arrays):
        raise RunError(
            "insight.allocation_shape",
            found=str([a.shape for a in arrays if a is not None]),
            expected=str((len(tasks), len(record["layers"]))),
        )
    similarity = pd.DataFrame(cosines, index=list(tasks), columns=list(tasks)) if cosines else None
    common, private, base = arrays
    return Contributions(tasks, tuple(record["layers"]), common, private, base, similarity)


def output_share(found: Contributions) -> pd.DataFrame | None:
    """For each task the share of common and of private skills in the size of what the adapter adds, averaged over
    the layers; rows sum to 1. None when the method has only one kind."""
    if found.common is None or found.private is None or not (found.common.any() and found.private.any()):
        return None
    total = found.common + found.private
    share = np.divide(found.private, total, out=np.zeros_like(total), where=total > 0).mean(1)
    return pd.DataFrame({COMMON: 1.0 - share, PRIVATE: share}, index=list(found.tasks))


def layer_share(found: Contributions, task: str) -> pd.DataFrame | None:
    """One task: sizes of the common and the private part relative to the base layer's own output, layer by
    layer."""
    if found.common is None or found.private is None or found.base is None:
        return None
    row = found.tasks.index(task)
    base = np.where(found.base[row] > 0, found.base[row], 1.0)
    return pd.DataFrame(
        {COMMON: found.common[row] / base, PRIVATE: found.private[row] / base}, index=list(found.layers)
    )


def describe_share(share: pd.DataFrame) -> list[Sentence]:
    """Who leans most and least on its own skill, or that all are alike."""
    private = share[PRIVATE]
    mean = f"{100 * private.mean():.0f}"
    if len(private) < 2 or private.max() - private.min() < ALIKE:
        return [Sentence("says.private_alike", {"share": mean})]
    most, least = str(private.idxmax()), str(private.idxmin())
    shares = {"share": f"{100 * private[most]:.0f}", "least_share": f"{100 * private[least]:.0f}", "mean": mean}
    return [Sentence("says.private_share", {"task": most, "least": least, **shares})]


def describe_similarity(similarity: pd.DataFrame, key: str) -> list[Sentence]:
    """The closest and the farthest pair, where there are several that differ by more than little; `key` says in
    what: says.near_weights."""
    if len(similarity) < 2:
        return []
    rows, columns = np.triu_indices(len(similarity), 1)
    values = similarity.to_numpy()[rows, columns]
    best, worst = int(values.argmax()), int(values.argmin())
    names = [str(name) for name in similarity.index]
    told = {
        "first": names[rows[best]],
        "second": names[columns[best]],
        "high": f"{values[best]:.2f}",
        "third": names[rows[worst]],
        "fourth": names[columns[worst]],
        "low": f"{values[worst]:.2f}",
    }
    if len(values) == 1:
        return [Sentence("says.near_pair", {name: told[name] for name in ("first", "second", "high")})]
    if values[best] - values[worst] < APART:
        return [Sentence("says.near_same", {name: told[name] for name in ("low", "high")})]
    return [Sentence(key, told)]

"""A run's allocation as tables: which task uses which skill, how much is common and private, who resembles whom.

Everything here reads the files of a run folder and returns pandas tables or numbers; nothing is drawn, no model
is loaded. Legend: L layers, T tasks, S skills.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from core.adapters import allocation_metrics
from core.adapters.own_columns import unpack_weights
from core.adapters.skill import COMMON, PRIVATE, Skill
from core.base.errors import RunError
from core.base.files import naming
from core.insight import metrics
from core.runs.folder import RunFolder
from core.runs.skill_names import read_names

Array = NDArray[np.float64]
FEWEST_TASKS = 3  # two rows lie on opposite sides of their mean whatever was learned: their correlation is -1


@dataclass(frozen=True)
class Allocation:
    """Mixing weights of a run at evaluation. `weights` is [L, T, S]; `step` and `stage` say when it was taken.

    `squashed` holds the entries before the rows are normalised, [L, T, A] over the common skills, when the run
    wrote them: discreteness and sparsity are defined on those.
    """

    layers: tuple[str, ...]
    tasks: tuple[str, ...]
    skills: tuple[Skill, ...]
    weights: Array
    step: int | None = None
    stage: int | None = None
    squashed: Array | None = None

    @property
    def is_lone(self) -> bool:
        """Whether all tasks share one adapter, so that there is nothing to mix."""
        return len(self.skills) == 1

    def columns(self, kind: str) -> list[int]:
        return [i for i, skill in enumerate(self.skills) if skill.kind == kind]


def read_allocation(run_dir: Path) -> Allocation:
    """The final allocation of a run.

    Raises:
        RunError: the run has none yet, or the file does not fit the run's tasks.
    """
    found = allocation_from_table(read_allocation_file(run_dir), read_task_names(run_dir))
    names = read_names(run_dir)
    return replace(found, skills=tuple(replace(s, name=names.get(s.name, s.name)) for s in found.skills))


def read_allocation_file(run_dir: Path) -> dict[str, Any]:
    """allocation.json, parsed once while it does not change; not to be written into.

    Raises:
        RunError: there is none yet.
    """
    try:
        stamp = RunFolder(run_dir).allocation_path.stat().st_mtime_ns
    except FileNotFoundError as error:
        raise RunError("insight.no_allocation", run=run_dir.name) from error
    return _parse(str(run_dir), stamp)


@lru_cache(maxsize=8)
def _parse(run_dir: str, _: int) -> dict[str, Any]:
    table = RunFolder(run_dir).read_allocation() or {}
    with naming(RunFolder(run_dir).allocation_path):
        weights = unpack_weights(np.asarray(table["weights"], dtype=np.float64), table.get("own_private", 0))
        return {**table, "weights": weights, "own_private": 0}


def allocation_from_table(table: dict[str, Any], tasks: Sequence[str]) -> Allocation:
    """From the JSON table that every adapter method writes: layers, skills and weights [L][T][S]."""
    weights = unpack_weights(np.asarray(table["weights"], dtype=np.float64), table.get("own_private", 0))
    skills = _skills(table, weights.shape[-1])
    layers = tuple(table["layers"])
    expected = (len(layers), len(tasks), len(skills))
    if weights.shape != expected:
        raise RunError("insight.allocation_shape", found=str(weights.shape), expected=str(expected))
    entries, logits = table.get("entries"), table.get("logits")
    squashed = None if not entries else np.asarray(entries, dtype=np.float64)
    if squashed is None and logits:  # a table of an older version
        squashed = 1.0 / (1.0 + np.exp(-np.asarray(logits, dtype=np.float64)))
    return Allocation(layers, tuple(tasks), skills, weights, table.get("step"), table.get("stage"), squashed)


def read_task_names(run_dir: Path) -> list[str]:
    """Names of the tasks of a run, in the order of the allocation's rows."""
    return [str(task["name"]) for task in RunFolder(run_dir).read_task_records()]


def _skills(table: dict[str, Any], count: int) -> tuple[Skill, ...]:
    if "skills" in table:
        return tuple(Skill(s["name"], s["kind"], s.get("task")) for s in table["skills"])
    return tuple(Skill(name, COMMON) for name in number_names("skill", count))


def number_names(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word} {i + 1}" for i in range(count))


def uniform_weight(allocation: Allocation) -> float:
    """The reference 1/K: the weight every common skill has while a task uses all of them alike."""
    return 1.0 / max(1, len(allocation.columns(COMMON)))


def task_similarity(allocation: Allocation, centred: bool = False) -> pd.DataFrame:
    """Similarity of the tasks' common rows over all layers; private skills are left out: no two tasks share one.

    Plain cosine, or with `centred` the correlation around the mean row, which separates tasks with close weights
    and says nothing of fewer than FEWEST_TASKS.
    Both stay the same when a layer's skills change places.
    A run without common skills falls back to all skills.
    """
    used = allocation.columns(COMMON) or list(range(len(allocation.skills)))
    rows = allocation.weights[:, :, used].transpose(1, 0, 2).reshape(len(allocation.tasks), -1)
    values = allocation_metrics.distinctness(rows) if centred else allocation_metrics.cosine(rows)
    return pd.DataFrame(values, index=list(allocation.tasks), columns=list(allocation.tasks))


def task_tree(similarity: pd.DataFrame, is_ordered: bool = True) -> Array:
    """Average-linkage tree over 1 - similarity, as scipy's linkage matrix [T - 1, 4] (what a dendrogram draws).
    `is_ordered`: similar tasks stand next to each other, which for hundreds of them takes longer than the tree."""
    distance = np.clip(1.0 - similarity.to_numpy(), 0.0, None)
    np.fill_diagonal(distance, 0.0)
    tree: Array = linkage(squareform(distance, checks=False), method="average", optimal_ordering=is_ordered)
    return tree


def cluster_order(similarity: pd.DataFrame) -> list[str]:
    """Task names so that similar tasks stand next to each other."""
    names = [str(name) for name in similarity.index]
    if len(names) < 3:
        return names
    return [names[i] for i in leaves_list(task_tree(similarity))]


def allocation_numbers(allocation: Allocation) -> dict[str, float]:
    """Discreteness, sparsity, usage and shared information of the common skills, averaged over layers (see
    `allocation_metrics`)."""
    common = allocation.columns(COMMON)
    if not common:
        return {}
    mixed = allocation.weights[:, :, common]
    entries = allocation.squashed if allocation.squashed is not None else mixed
    return {
        "discreteness": float(np.mean([allocation_metrics.discreteness(z) for z in entries])),
        "sparsity": float(np.mean([allocation_metrics.sparsity(z) for z in entries])),
        "usage": float(np.mean([allocation_metrics.usage(z) for z in mixed])),
        "shared_information": float(np.mean([allocation_metrics.shared_information(z) for z in mixed])),
    }


def task_effective_skills(allocation: Allocation) -> pd.Series:
    """How many common skills each task effectively uses: exp of the entropy of its row, the mean over the layers.
    A run without common skills falls back to all skills."""
    used = allocation.columns(COMMON) or list(range(len(allocation.skills)))
    effective = metrics.effective_by_layer(allocation.weights[:, :, used])
    return pd.Series(effective, index=list(allocation.tasks), name="effective_skills")


def layer_table(allocation: Allocation, layer: int) -> pd.DataFrame:
    """The weights of one row of `allocation.layers`: one row a task, one column a skill."""
    names = [skill.name for skill in allocation.skills]
    return pd.DataFrame(allocation.weights[layer], index=list(allocation.tasks), columns=names)


def telling_layer(allocation: Allocation, among: Sequence[int] | None = None) -> int:
    """The place in `allocation.layers` where the tasks differ most in their common skills (largest variance between
    tasks), among all or some of them.

    A mean over layers says nothing: where each layer has an allocation of its own, "common 2" of one has nothing to
    do with "common 2" of the next, and their mean is near the even share whatever was learned.
    """
    places = list(range(len(allocation.layers)) if among is None else among)
    return places[most_telling(allocation.weights[places], allocation.columns(COMMON))]


def own_layers(allocation: Allocation) -> dict[str, int]:
    """In how many layers each task has something of its own; empty for methods without private skills."""
    private = allocation.columns(PRIVATE)
    counts = (np.abs(allocation.weights[:, :, private]) > 0).any(-1).sum(0)
    return dict(zip(allocation.tasks, map(int, counts), strict=True)) if private else {}


def most_telling(weights: Array, common: Sequence[int]) -> int:
    """The same for bare weights [L, T, S]; without common skills all columns count."""
    used = list(common) or list(range(weights.shape[-1]))
    return int(weights[:, :, used].var(axis=1).sum(-1).argmax())

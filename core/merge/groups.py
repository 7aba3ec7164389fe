"""Which of a library's tasks learned alike (model-based clustering): groups by their LoRAs, and the settings of a
run that trains one adapter a group. Torch-free.

Source: Ostapenko et al., "Towards Modular LLMs by Building and Routing a Library of LoRAs", ICML 2024, arXiv
2405.11157, section 3.2 (MBC). What differs: likeness is the cosine of the weight changes B A over all layers, not
of the flattened factors A and B, which depend on what A was drawn as; groups are cut from an average-linkage tree
in the place of k-means, so nothing is drawn; without a wish their number is that of the largest mean silhouette.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from core.adapters.registry import METHODS
from core.adapters.wishes import APART, BOUND, pairs_text
from core.base.errors import RunError, require_between

Array = NDArray[np.float64]
FEWEST = 3  # tasks: of two nothing can be said but how alike they are
ALIKE = 0.9  # when no cosine is below it, cuts are between tasks that all learned nearly the same
CLEAR = 0.25  # of the silhouette; below it Kaufman and Rousseeuw (1990) see no substantial structure
# Common skills only, which can be bound and kept apart: a group that has one to itself has its own adapter.
METHOD = next(
    info.name
    for info in METHODS
    if {APART, BOUND} <= set(info.wishes) and "num_private_skills" not in info.config_class.__dataclass_fields__
)


@dataclass(frozen=True)
class TaskGroups:
    """cosines [T, T] of the tasks' changes; groups of task names, the largest first; silhouette: how much nearer a
    task is to its own group than to the next, the mean over the tasks, -1 to 1 (near 0: no groups to speak of);
    None where all tasks are one group, or none is nearer to one than to another."""

    tasks: list[str]
    cosines: list[list[float]]
    groups: list[list[str]]
    silhouette: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"settings": self.settings()}

    @property
    def is_clear(self) -> bool:
        """Whether groups stand apart, so that one adapter for each may be worth a try."""
        return self.silhouette is not None and self.silhouette >= CLEAR

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Sentences about the groups: message keys with their values."""
        values: dict[str, Any] = {"groups": len(self.groups), "tasks": len(self.tasks)}
        if self.silhouette is not None:
            values["silhouette"] = f"{self.silhouette:.2f}"
            return [("group.apart", values), ("group.train", values)] if self.is_clear else [("group.weak", values)]
        between = _between(self.cosines)
        low, high = (round(float(value), 2) + 0.0 for value in (between.min(), between.max()))
        key = "group.even" if len(self.groups) > 1 else "group.alike" if between.min() >= ALIKE else "group.one"
        return [(key, {**values, "low": f"{low:.2f}", "high": f"{high:.2f}"})]

    def settings(self) -> dict[str, Any]:
        """Settings by which a run trains one adapter for each group, all in one training."""
        bound = [(group[0], name) for group in self.groups for name in group[1:]]
        apart = combinations([group[0] for group in self.groups], 2)
        return {
            "method": METHOD,
            "adapter.num_common_skills": len(self.groups),
            "bind_tasks": pairs_text(bound),
            "keep_apart": pairs_text(apart),
            "stage2_fraction": 0,
        }


def group_tasks(tasks: Sequence[str], cosines: ArrayLike, count: int | None = None) -> TaskGroups:
    """Groups of tasks whose changes point the same way; `count` of them, or as many as stand apart best: one where
    all are alike, and each task alone where none is nearer to one than to another.

    Raises:
        RunError: fewer tasks than can be grouped. SettingError: more groups than tasks.
    """
    if len(tasks) < FEWEST:
        raise RunError("merge.few_to_group", count=len(tasks), least=FEWEST)
    require_between("groups", count, 1, len(tasks))
    rounded = np.round(np.asarray(cosines, dtype=np.float64), 4).tolist()
    if count is None and _between(cosines).min() >= ALIKE:
        return TaskGroups(list(tasks), rounded, [list(tasks)], None)
    distances = np.clip(1.0 - np.asarray(cosines, dtype=np.float64), 0.0, 2.0)
    np.fill_diagonal(distances, 0.0)
    distances = (distances + distances.T) / 2
    tree = linkage(squareform(distances, checks=False), "average")
    cuts = {k: fcluster(tree, k, "maxclust") for k in ([count] if count else range(2, len(tasks)))}
    scores = {k: silhouette(distances, labels) for k, labels in cuts.items()}
    best = max(scores, key=lambda k: (-2.0 if scores[k] is None else scores[k], -k))
    if count is None and scores[best] is None:
        return TaskGroups(list(tasks), rounded, [[name] for name in tasks], None)
    labels = cuts[best]
    found = [[name for name, own in zip(tasks, labels, strict=True) if own == label] for label in set(labels)]
    ordered = sorted(found, key=lambda group: (-len(group), tasks.index(group[0])))
    return TaskGroups(list(tasks), rounded, ordered, scores[best])


def _between(cosines: ArrayLike) -> Array:
    """Of every two tasks."""
    table = np.asarray(cosines, dtype=np.float64)
    found: Array = table[np.triu_indices(len(table), 1)]
    return found


def silhouette(distances: Array, labels: NDArray[np.int_]) -> float | None:
    """Mean over the tasks of (b - a) / max(a, b): a is the mean distance to the others of the group, b that to the
    nearest other group; 0 for a task alone (Rousseeuw 1987). None for one group."""
    kinds = np.unique(labels)
    if len(kinds) < 2:
        return None
    values = []
    for place, own in enumerate(labels):
        others = (labels == own) & (np.arange(len(labels)) != place)
        if not others.any():
            values.append(0.0)
            continue
        a = distances[place, others].mean()
        b = min(distances[place, labels == kind].mean() for kind in kinds if kind != own)
        values.append(float((b - a) / max(a, b, 1e-12)))
    return float(np.mean(values))

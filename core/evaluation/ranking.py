"""Which rows a person should answer next: several reasons to ask about a row, combined into one order. Torch-free.

Source: Rotman and Reichart, "Multi-task Active Learning for Pre-trained Transformer-based Models" (arXiv
2208.05379, section 4): the confidences of several tasks are averaged, the least one counts, ranks are fused, or
rows are taken by Pareto fronts. Here a reason is a number 0..1, larger for rows more worth asking about, NaN where
there is none; a task's doubt and the disagreement of its skills are two reasons.

Shapes: n rows, k reasons.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.base.errors import SettingError

Array = NDArray[np.float64]
MEAN, MAX, RRF, PARETO = "mean", "max", "rrf", "pareto"
WAYS = (RRF, MEAN, MAX, PARETO)
FIRST_RANK = 60  # reciprocal rank fusion: 1 / (60 + rank) (Cormack et al. 2009)


def rank_rows(reasons: Array, way: str) -> list[int]:
    """Places of the rows of reasons [n, k], those most worth asking about first; equal ones in their order.

    Raises:
        SettingError: no such way to combine.
    """
    if way not in WAYS:
        raise SettingError("registry.unknown", kind="combination", name=way, known=", ".join(WAYS))
    known = np.isfinite(reasons)
    worth = np.where(known, reasons, 0.0)
    mean = worth.sum(1) / np.maximum(known.sum(1), 1)
    if way == PARETO:
        return [int(row) for row in np.lexsort((-mean, pareto_fronts(worth)))]
    values = {MEAN: mean, MAX: worth.max(1, initial=0.0), RRF: fused_ranks(reasons)}[way]
    return [int(row) for row in np.argsort(-values, kind="stable")]


def fused_ranks(reasons: Array) -> Array:
    """[n]: the mean over the reasons that a row has of 1 / (60 + its rank); equal numbers share their best rank.
    Where all rows have all reasons, the order is that of the source's sum."""
    total = np.zeros(len(reasons))
    for column in reasons.T:
        known = np.isfinite(column)
        ordered = np.sort(column[known])
        ranks = 1 + len(ordered) - np.searchsorted(ordered, column[known], side="right")
        total[known] += 1.0 / (FIRST_RANK + ranks)
    return total / np.maximum(np.isfinite(reasons).sum(1), 1)


def pareto_fronts(worth: Array) -> NDArray[np.int64]:
    """[n]: 0 for rows that no other row beats in all reasons (as good in each, better in one), 1 for those that
    only rows of front 0 beat, and so on."""
    fronts = np.zeros(len(worth), dtype=np.int64)
    members: list[list[Array]] = []  # of each front so far
    for row in np.lexsort(worth.T)[::-1]:  # whatever beats a row stands before it
        number = bisect_left(members, True, key=partial(_is_free_of, worth[row]))
        members[number:] = members[number:] or [[]]
        members[number].append(worth[row])
        fronts[row] = number
    return fronts


def _is_free_of(row: Array, front: list[Array]) -> bool:
    """Whether none of a front beats the row; then none of a later front does."""
    others = np.array(front)
    return not bool((np.all(others >= row, axis=1) & np.any(others > row, axis=1)).any())

"""Numbers that describe an allocation: how sharp it is, how much of the skill set is used.

Legend: L layers, T tasks, S skills. Functions are pure and take numpy arrays. Source of the definitions: Polytropon
(arXiv 2202.13914), section 4 on the analysis of the learned allocation; see `assets/docs` for the wording.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TINY = 1e-12
NUMBERS_A_LINE = 5_000


def discreteness(allocation_TS: Array) -> float:
    """Mean binary entropy of the entries over log 2: 0 when every entry is 0 or 1, 1 when all are one half."""
    z = np.clip(allocation_TS, TINY, 1 - TINY)
    return float(np.mean(-z * np.log(z) - (1 - z) * np.log(1 - z)) / np.log(2))


def sparsity(allocation_TS: Array) -> float:
    """Mean of the rounded entries: the share of skills a task has switched on."""
    return float(np.mean(allocation_TS >= 0.5))


def usage(allocation_TS: Array) -> float:
    """Entropy of the column sums over log S: 1 when all skills are used equally, 0 when one does everything."""
    num_skills = allocation_TS.shape[-1]
    if num_skills < 2:
        return 1.0
    return float(entropy(np.abs(allocation_TS).sum(axis=0)) / np.log(num_skills))


def shared_information(allocation_TS: Array) -> float:
    """I(T; S) of tasks and skills over its maximum min(log T, log S), for rows that sum to one and tasks all alike
    likely: 0 when all tasks mix the same way, 1 when the task tells the skill (or, with more tasks than skills, the
    skills share the tasks out). Source: Mod-Squad (arXiv 2212.08066), section 3.2.
    """
    tasks, skills = allocation_TS.shape
    if min(tasks, skills) < 2:
        return 0.0
    together = np.abs(allocation_TS) / max(float(np.abs(allocation_TS).sum()), TINY)
    apart = together.sum(1, keepdims=True) * together.sum(0, keepdims=True)
    nats = float(np.sum(together * np.log(np.clip(together, TINY, None) / np.clip(apart, TINY, None))))
    return nats / float(np.log(min(tasks, skills)))


def entropy(weights: Array) -> float:
    """Entropy in nats of non-negative weights after they are normalised to sum 1; 0 for all zeros."""
    total = weights.sum()
    if total <= 0:
        return 0.0
    p = weights / total
    return float(-np.sum(p * np.log(np.clip(p, TINY, None))))


def effective_skills(weights_TS: Array) -> Array:
    """For each task the exponential of its row's entropy, [T]: 1 = one skill does it all, S = all alike."""
    return np.array([np.exp(entropy(np.abs(row))) for row in weights_TS])


def measure(weights_LTS: Array, entries_LTC: Array, common: list[int]) -> dict[str, Any]:
    """All of them by layer, for a line of a run's history: discreteness and sparsity of the entries before the rows
    are normalised, usage and shared information of the common skills' weights, [L] each; effective_skills of the
    whole rows [L][T], or their mean over the layers [T] where that would be too many numbers. Without common skills
    only the last.
    """
    effective = np.array([effective_skills(layer) for layer in weights_LTS])
    rows = effective if effective.size <= NUMBERS_A_LINE else effective.mean(0)
    found: dict[str, Any] = {"effective_skills": rows.round(4).tolist()}
    if common:
        found |= {
            "discreteness": [round(discreteness(z), 4) for z in entries_LTC],
            "sparsity": [round(sparsity(z), 4) for z in entries_LTC],
            "usage": [round(usage(layer[:, common]), 4) for layer in weights_LTS],
            "shared_information": [round(shared_information(layer[:, common]), 4) for layer in weights_LTS],
        }
    return found


def cosine(rows_TS: Array) -> Array:
    """Cosine similarity of every two rows, [T, T]. A row of zeros is similar to nothing but itself."""
    norms = np.linalg.norm(rows_TS, axis=1)
    safe = np.where(norms > 0, norms, 1.0)
    similarity = np.clip((rows_TS / safe[:, None]) @ (rows_TS / safe[:, None]).T, -1.0, 1.0)
    np.fill_diagonal(similarity, 1.0)
    return similarity


def distinctness(rows_TS: Array) -> Array:
    """Correlation of every two rows around the mean row, [T, T].

    Weights are all positive and often close to each other, so plain cosines crowd near 1. Taking the mean row off
    shows which tasks lean the same way: 1 the same way, -1 opposite ways. Rows equal to the mean lean nowhere (0).
    """
    centred = rows_TS - rows_TS.mean(axis=0, keepdims=True)
    centred[np.linalg.norm(centred, axis=1) < 1e-9] = 0.0
    return cosine(centred)

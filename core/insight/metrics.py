"""Numbers that describe an allocation: how sharp it is, how much of the skill set is used, who resembles whom.

Legend: L layers, T tasks, S skills. Functions are pure and take numpy arrays. Source of the definitions: Polytropon
(arXiv 2202.13914), section 4 on the analysis of the learned allocation; see `assets/docs` for the wording.
"""

from __future__ import annotations

import numpy as np

from core.adapters.allocation_metrics import (
    TINY,
    Array,
    discreteness,
    effective_skills,
    entropy,
    shared_information,
    sparsity,
    usage,
)

__all__ = [
    "cosine",
    "discreteness",
    "distinctness",
    "effective_by_layer",
    "effective_skills",
    "entropy",
    "shared_information",
    "sharpness",
    "sparsity",
    "usage",
]


def effective_by_layer(weights_LTS: Array) -> Array:
    """Effective skills of each task, [T], as the mean over the layers (averaged weights would look evener)."""
    magnitude = np.abs(weights_LTS)
    total = magnitude.sum(-1, keepdims=True)
    p = magnitude / np.where(total > 0, total, 1.0)
    effective: Array = np.exp(-np.sum(p * np.log(np.clip(p, TINY, None)), -1)).mean(0)
    return effective


def sharpness(weights_LTS: Array) -> float:
    """1 - H(row) / log S, averaged over layers and tasks: 0 when all skills weigh alike, 1 when one does it all."""
    num_skills = weights_LTS.shape[-1]
    if num_skills < 2:
        return 1.0
    magnitude = np.abs(weights_LTS)
    total = magnitude.sum(-1, keepdims=True)
    p = magnitude / np.where(total > 0, total, 1.0)
    entropies = -np.sum(p * np.log(np.clip(p, TINY, None)), -1)
    return float(1.0 - np.mean(entropies) / np.log(num_skills))


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

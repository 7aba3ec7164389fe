"""Numbers that describe an allocation: how sharp it is, how much of the skill set is used, who resembles whom.

Legend: L layers, T tasks, S skills. Functions are pure and take numpy arrays. Source of the definitions: Polytropon
(arXiv 2202.13914), section 4 on the analysis of the learned allocation; see `assets/docs` for the wording.
"""

from __future__ import annotations

import numpy as np

from core.adapters.allocation_metrics import TINY, Array


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

"""Which tasks' rows of the allocation are alike beyond chance.

Pairs always have a closest one, also after a few noisy steps. A likeness that was learned comes back from block to
block of the model; chance does not. So the tasks' names are shuffled block by block, each block by itself, and a
pair is told only where it is closer than the closest pair of nearly all shuffles (5 % for all pairs together).

Legend: L layers, T tasks, A common skills, B blocks.
"""

from __future__ import annotations

import re

import numpy as np

from core.adapters.skill import COMMON
from core.insight.allocation import Allocation, Array

SHUFFLES, FEW_SHUFFLES = 199, 19
MANY_TASKS = 64
LEVEL = 0.05
CLOSE = 0.2  # a correlation below this is no likeness, sure or not
_BLOCK = re.compile(r"^(.*?\.\d+)(?:\.|$)")


def sure_pairs(allocation: Allocation) -> list[tuple[str, str, float]]:
    """Pairs of tasks with the correlation of their common rows, the closest first. Empty for one allocation of the
    whole model, which has no second block to compare with."""
    common, tasks = allocation.columns(COMMON), len(allocation.tasks)
    if tasks < 3 or len(common) < 2:
        return []
    blocks = _by_block(allocation, common)
    if len(blocks) < 2:
        return []
    draw, places = np.random.default_rng(0), np.triu_indices(tasks, 1)
    found = _correlation(blocks)[places]
    count = SHUFFLES if tasks <= MANY_TASKS else FEW_SHUFFLES
    highest = sorted(_correlation(_shuffled(blocks, draw))[places].max() for _ in range(count))
    limit = highest[int(np.ceil((1 - LEVEL) * (count + 1))) - 1]
    order = [i for i in np.argsort(-found) if found[i] > max(limit, CLOSE)]
    names = allocation.tasks
    return [(names[places[0][i]], names[places[1][i]], float(found[i])) for i in order]


def _by_block(allocation: Allocation, common: list[int]) -> list[Array]:
    """Inner products of the rows around their mean, [T, T], one a block of the model."""
    grams: dict[str, Array] = {}
    for layer, name in enumerate(allocation.layers):
        rows = allocation.weights[layer][:, common]
        centred = rows - rows.mean(0, keepdims=True)
        found = _BLOCK.match(name)
        block = found[1] if found else name
        grams[block] = grams.get(block, 0.0) + centred @ centred.T
    return list(grams.values())


def _shuffled(blocks: list[Array], draw: np.random.Generator) -> list[Array]:
    orders = [draw.permutation(len(blocks[0])) for _ in blocks]
    return [gram[np.ix_(order, order)] for gram, order in zip(blocks, orders, strict=True)]


def _correlation(blocks: list[Array]) -> Array:
    total = np.sum(blocks, axis=0)
    size = np.sqrt(np.clip(np.diag(total), 1e-18, None))
    found: Array = total / size[:, None] / size[None]
    return found

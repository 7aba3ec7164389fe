"""Which tasks' rows of the allocation are alike beyond chance.

Pairs always have a closest one, also after a few noisy steps. A likeness that was learned comes back from block to
block of the model; chance does not. So the tasks' names are shuffled block by block, each block by itself, and a
pair is told only where it is closer than the closest pair of nearly all shuffles (5 % for all pairs together).

That test needs something to compare: three tasks, two blocks, and enough arrangements of the tasks that the planted
one can be rare among them. Otherwise nothing is said of pairs, neither that they are alike nor that they are not.

Legend: L layers, T tasks, A common skills, B blocks.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from core.adapters.skill import COMMON
from core.insight.allocation import FEWEST_TASKS, Allocation, Array

SHUFFLES, FEW_SHUFFLES = 199, 19
MANY_TASKS = 64
LEVEL = 0.05
CLOSE = 0.2  # a correlation below this is no likeness, sure or not
_BLOCK = re.compile(r"^(.*?\.\d+)(?:\.|$)")


@dataclass(frozen=True)
class Pairable:
    """How much there is to test likeness on: tasks, common skills, and blocks with an allocation of their own."""

    tasks: int
    skills: int
    blocks: int

    @property
    def is_testable(self) -> bool:
        """Whether chance can be told from a learned likeness at all."""
        return self.tasks >= FEWEST_TASKS and self.skills > 1 and self.blocks > 1

    @property
    def has_power(self) -> bool:
        """Whether a pair that is alike in every block would be told: all arrangements that keep the pair together
        are as close as it, and one in (T choose 2)^(B - 1) does so by chance. This is stricter than counting all
        T!^(B - 1) arrangements: with 4 tasks and 2 blocks those are 24, and a planted pair was told in 0 of 60
        tries."""
        return self.is_testable and math.comb(self.tasks, 2) ** (self.blocks - 1) >= 1 / LEVEL


def pairable(allocation: Allocation) -> Pairable:
    blocks = len({_block_of(name) for name in allocation.layers})
    return Pairable(len(allocation.tasks), len(allocation.columns(COMMON)), blocks)


def sure_pairs(allocation: Allocation) -> list[tuple[str, str, float]] | None:
    """Pairs of tasks with the correlation of their common rows, the closest first; [] where none is closer than
    chance would have it. None where that cannot be told, as for one allocation of the whole model."""
    size = pairable(allocation)
    if not size.is_testable:
        return None
    whole, limit = beside_shuffles(_by_block(allocation, allocation.columns(COMMON)))
    places = np.triu_indices(size.tasks, 1)
    found = whole[places]
    order = [i for i in np.argsort(-found) if found[i] > max(limit, CLOSE)]
    if not order and not size.has_power:
        return None
    names = allocation.tasks
    return [(names[places[0][i]], names[places[1][i]], float(found[i])) for i in order]


def beside_shuffles(blocks: list[Array]) -> tuple[Array, float]:
    """Correlation of every two tasks over all blocks (inner products [T, T] of each), and what the closest pair
    stays below in 95 of 100 shuffles of the tasks' names, block by block."""
    draw, places = np.random.default_rng(0), np.triu_indices(len(blocks[0]), 1)
    count = SHUFFLES if len(blocks[0]) <= MANY_TASKS else FEW_SHUFFLES
    highest = sorted(_correlation(_shuffled(blocks, draw))[places].max() for _ in range(count))
    return _correlation(blocks), float(highest[int(np.ceil((1 - LEVEL) * (count + 1))) - 1])


def _block_of(layer: str) -> str:
    found = _BLOCK.match(layer)
    return found[1] if found else layer


def _by_block(allocation: Allocation, common: list[int]) -> list[Array]:
    """Inner products of the rows around their mean, [T, T], one a block of the model."""
    grams: dict[str, Array] = {}
    for layer, name in enumerate(allocation.layers):
        rows = allocation.weights[layer][:, common]
        centred = rows - rows.mean(0, keepdims=True)
        block = _block_of(name)
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

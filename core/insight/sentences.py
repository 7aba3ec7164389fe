"""What a table shows, in words: keys with values, worded per language like errors (keys `says.*`)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.adapters.skill import COMMON
from core.insight.allocation import FEWEST_TASKS, Allocation, layer_table
from core.insight.likeness import Pairable, pairable, sure_pairs
from core.messages import Sentence

# Weights within this share of the even one count as equal in words: a few noisy steps move them that far, with
# another seed to another side.
ALIKE = 0.15
MOST_PAIRS = 3


def describe_allocation(allocation: Allocation) -> list[Sentence]:
    """What the weights show beyond chance: tasks that mix alike, and where one allocation serves the whole model
    also each task's skills and skills that nobody uses. Skills are exchangeable from layer to layer, so where every
    layer has an allocation of its own no sentence names one."""
    common = allocation.columns(COMMON)
    told = describe_likeness(allocation)
    if len(allocation.layers) > 1 or len(allocation.tasks) < 2 or len(common) < 2 or _without_choice(allocation):
        return told
    uniform = 1.0 / len(common)
    table = layer_table(allocation, 0)[[allocation.skills[i].name for i in common]]
    unused = [str(name) for name in table.columns if table[name].max() < uniform / 2]
    told += _describe_tasks(table, uniform)
    return told + [Sentence("says.skill_unused", {"skill": name}) for name in unused]


def describe_likeness(allocation: Allocation) -> list[Sentence]:
    """The closest pairs of tasks by their rows, where they are closer than chance; that there are none; or why it
    cannot be told."""
    plain = _without_choice(allocation)
    if plain:
        return [plain]
    pairs = sure_pairs(allocation)
    if pairs is None:
        return _untold(pairable(allocation))
    return [_pair(*found) for found in pairs[:MOST_PAIRS]] or [Sentence("says.no_difference")]


def _without_choice(allocation: Allocation) -> Sentence | None:
    """Said instead of all else where the tasks cannot choose, or have not chosen yet."""
    common = allocation.columns(COMMON)
    if len(allocation.skills) == 1:
        return Sentence("says.one_skill")
    if not common:
        return Sentence("says.no_common")
    uniform = 1.0 / len(common)
    if bool(np.abs(allocation.weights[:, :, common] - uniform).max() < ALIKE * uniform):
        return Sentence("says.all_alike", {"k": len(common), "uniform": f"{uniform:.2f}"})
    return None


def _untold(size: Pairable) -> list[Sentence]:
    """Why nothing can be said of pairs; nothing at all of a single task or a single common skill."""
    if size.tasks < 2 or size.skills < 2:
        return []
    values = {"tasks": size.tasks, "blocks": size.blocks}
    if size.tasks < FEWEST_TASKS:
        return [Sentence("says.pairs_two_tasks")]
    return [Sentence("says.pairs_one_block" if size.blocks < 2 else "says.pairs_few_blocks", values)]


def _pair(first: str, second: str, similarity: float) -> Sentence:
    values = {"first": first, "second": second, "similarity": f"{similarity:.2f}"}
    return Sentence("says.closest_pair", values)


def _describe_tasks(table: pd.DataFrame, uniform: float) -> list[Sentence]:
    """Of one allocation for the whole model: what each task uses more than evenly."""
    sentences = []
    for task in table.index:
        weights = table.loc[task].sort_values(ascending=False)
        chosen = [str(name) for name in weights.index if weights[name] > (1 + ALIKE) * uniform]
        if chosen:
            values = {"task": str(task), "skills": ", ".join(chosen[:3])}
            sentences.append(Sentence("says.task_uses_alone", values))
    return sentences

"""What a table shows, in words: keys with values, worded per language like errors (keys `says.*`)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.adapters.skill import COMMON
from core.insight.allocation import Allocation, layer_table, task_similarity
from core.insight.likeness import CLOSE, sure_pairs
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
    if len(allocation.skills) == 1:
        return [Sentence("says.one_skill")]
    if not common:
        return [Sentence("says.no_common")]
    uniform = 1.0 / len(common)
    if bool(np.abs(allocation.weights[:, :, common] - uniform).max() < ALIKE * uniform):
        return [Sentence("says.all_alike", {"k": len(common), "uniform": f"{uniform:.2f}"})]
    if len(allocation.tasks) < 2 or len(common) < 2:
        return []
    if len(allocation.layers) > 1:
        return describe_likeness(allocation)
    table = layer_table(allocation, 0)[[allocation.skills[i].name for i in common]]
    unused = [str(name) for name in table.columns if table[name].max() < uniform / 2]
    told = _describe_tasks(allocation, table, uniform)
    return told + [Sentence("says.skill_unused", {"skill": name}) for name in unused]


def describe_likeness(allocation: Allocation) -> list[Sentence]:
    """The closest pairs of tasks by their rows, where they are closer than chance; nothing can be said of a single
    allocation or of two tasks."""
    pairs = [_pair(*found) for found in sure_pairs(allocation)[:MOST_PAIRS]]
    return pairs or [Sentence("says.no_difference")]


def _pair(first: str, second: str, similarity: float) -> Sentence:
    values = {"first": first, "second": second, "similarity": f"{similarity:.2f}"}
    return Sentence("says.closest_pair", values)


def _describe_tasks(allocation: Allocation, table: pd.DataFrame, uniform: float) -> list[Sentence]:
    """Of one allocation for the whole model: the closest pair, and what each task uses more than evenly."""
    similarity = task_similarity(allocation, centred=True).to_numpy().copy()
    np.fill_diagonal(similarity, -np.inf)
    sentences = []
    if len(allocation.tasks) > 2 and similarity.max() > CLOSE:
        first, second = np.unravel_index(int(similarity.argmax()), similarity.shape)
        sentences.append(_pair(allocation.tasks[first], allocation.tasks[second], similarity.max()))
    for row, task in enumerate(allocation.tasks):
        weights = table.iloc[row].sort_values(ascending=False)
        chosen = [str(name) for name in weights.index if weights[name] > (1 + ALIKE) * uniform]
        if not chosen:
            continue
        values = {"task": task, "skills": ", ".join(chosen[:3])}
        if len(allocation.tasks) > 2 and similarity[row].max() > CLOSE:
            values["nearest"] = allocation.tasks[int(similarity[row].argmax())]
        sentences.append(Sentence("says.task_uses" if "nearest" in values else "says.task_uses_alone", values))
    return sentences

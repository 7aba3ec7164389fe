"""What a table shows, in words: keys with values, worded per language like errors (keys `says.*`)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.insight.allocation import COMMON, Allocation, average_allocation, task_similarity
from core.messages import Sentence

# Weights within this share of the even one count as equal in words: a few noisy steps move them that far, with
# another seed to another side.
ALIKE = 0.15
CLOSE = 0.2  # a correlation below this is no closeness worth a sentence


def describe_allocation(allocation: Allocation) -> list[Sentence]:
    """What the averaged allocation shows: the closest pair, each task's skills and nearest task, unused skills."""
    table, common = average_allocation(allocation), allocation.columns(COMMON)
    if len(allocation.skills) == 1:
        return [Sentence("says.one_skill")]
    sentences: list[Sentence] = []
    names = [allocation.skills[i].name for i in common]
    uniform = 1.0 / max(1, len(common))
    flat = bool(names) and bool(np.abs(allocation.weights[:, :, common] - uniform).max() < ALIKE * uniform)
    if flat:
        sentences.append(Sentence("says.all_alike", {"k": len(common), "uniform": f"{uniform:.2f}"}))
    elif len(names) > 1:
        sentences += _describe_tasks(allocation, table[names], uniform)
        unused = [name for name in names if table[name].max() < uniform / 2]
        sentences += [Sentence("says.skill_unused", {"skill": name}) for name in unused]
    return sentences


def _describe_tasks(allocation: Allocation, table: pd.DataFrame, uniform: float) -> list[Sentence]:
    similarity = task_similarity(allocation, centred=True).to_numpy().copy()
    np.fill_diagonal(similarity, -np.inf)
    sentences = []
    if len(allocation.tasks) > 2 and similarity.max() > CLOSE:
        first, second = np.unravel_index(int(similarity.argmax()), similarity.shape)
        values = {"first": allocation.tasks[first], "second": allocation.tasks[second]}
        sentences.append(Sentence("says.closest_pair", {**values, "similarity": f"{similarity.max():.2f}"}))
    for row, task in enumerate(allocation.tasks):
        weights = table.iloc[row].sort_values(ascending=False)
        chosen = [str(n) for n in weights.index if weights[n] >= uniform] or [str(weights.index[0])]
        values = {"task": task, "skills": ", ".join(chosen[:3])}
        if len(allocation.tasks) > 2:
            values["nearest"] = allocation.tasks[int(similarity[row].argmax())]
        sentences.append(Sentence("says.task_uses" if "nearest" in values else "says.task_uses_alone", values))
    return sentences

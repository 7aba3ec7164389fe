"""Cuts through the allocation [layers, tasks, skills] that a screen shows: a layer, a routing head, a task over all
layers, and for the mixture of task adapters its two stages apart. Torch-free; everything is a pandas table.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from core.base.errors import RunError
from core.insight.allocation import COMMON, Allocation, average_allocation

_HEAD = re.compile(r"^(.*) head (\d+)$")
ALPHA, GATE = "alpha", "gate"
SHARED = "shared"  # how the adapters of stage 2 are named, before their number
OWN = "own adapters"  # the column of the gate that stands for a task's own sum


def layer_names(allocation: Allocation) -> list[str]:
    """The layers without their routing heads, in order."""
    return list(dict.fromkeys(_split(name)[0] for name in allocation.layers))


def num_heads(allocation: Allocation) -> int:
    """Routing heads of a layer; 1 for methods without them."""
    return max((_split(name)[1] for name in allocation.layers), default=1)


def cut_table(allocation: Allocation, layer: str | None = None, head: int | None = None) -> pd.DataFrame:
    """Mean weights [tasks x skills] over everything that fits: one layer or all, one head (from 1) or all.

    Raises:
        RunError: no such layer or head.
    """
    chosen = [
        i
        for i, name in enumerate(allocation.layers)
        if (layer is None or layer in (name, _split(name)[0])) and (head is None or _split(name)[1] == head)
    ]
    if not chosen:
        wanted = layer if head is None else f"{layer or ''} head {head}".strip()
        raise RunError("insight.no_layer", layer=wanted, known=", ".join(layer_names(allocation)))
    names = [skill.name for skill in allocation.skills]
    return pd.DataFrame(allocation.weights[chosen].mean(0), index=list(allocation.tasks), columns=names)


def task_by_layer(allocation: Allocation, task: str, head: int | None = None) -> pd.DataFrame:
    """One task's mixing weights, one row a layer (averaged over its heads, or one head).

    Raises:
        RunError: no such task.
    """
    if task not in allocation.tasks:
        raise RunError("insight.no_task", task=task, known=", ".join(allocation.tasks))
    row = allocation.tasks.index(task)
    used = [i for i, skill in enumerate(allocation.skills) if skill.task in (None, row)]
    frame = pd.DataFrame(
        allocation.weights[:, row][:, used],
        columns=[allocation.skills[i].name for i in used],
        index=[_split(name)[0] for name in allocation.layers],
    )
    if head is not None:
        frame = frame[[_split(name)[1] == head for name in allocation.layers]]
    return frame.groupby(level=0, sort=False).mean()


def has_gate(allocation: Allocation) -> bool:
    """Whether this is a mixture of task adapters after its second stage."""
    return any(skill.name.startswith(f"{SHARED} ") for skill in allocation.skills)


def gate_part(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """ALTER's two stages apart. alpha: weights of the task adapters, rows sum to 1 again. gate: g_0 of the task's
    own sum, and g_1..g_K of the shared adapters (means over prompts)."""
    shared = [c for c in table.columns if str(c).startswith(f"{SHARED} ")]
    own = table.drop(columns=shared)
    total = own.sum(axis=1)
    if part == GATE:
        return pd.concat([total.rename(OWN), table[shared]], axis=1)
    return own.div(total.where(total > 0, 1.0), axis=0)


def used_skills(allocation: Allocation) -> list[str]:
    """Columns in the order of a plot: the common skills, then the private ones."""
    common = [skill.name for skill in allocation.skills if skill.kind == COMMON]
    return common + [skill.name for skill in allocation.skills if skill.kind != COMMON]


def difference_of_runs(first: Allocation, second: Allocation) -> pd.DataFrame:
    """Second minus first, averaged over layers, on the tasks that both have. Skills have no fixed order: the second
    run's common skills are matched to the first's by their weights before (largest total agreement).

    Raises:
        RunError: no task or no skill in common.
    """
    from scipy.optimize import linear_sum_assignment

    left, right = average_allocation(first), average_allocation(second)
    rows = [name for name in left.index if name in right.index]
    names = [[s.name for s in one.skills if s.kind == COMMON] for one in (first, second)]
    count = min(map(len, names))
    if not rows or not count:
        raise RunError("insight.nothing_shared")
    before, after = left.loc[rows, names[0]].to_numpy(), right.loc[rows, names[1]].to_numpy()
    cost = np.abs(before[:, :, None] - after[:, None, :]).sum(0)
    mine, theirs = linear_sum_assignment(cost)
    return pd.DataFrame(
        after[:, theirs] - before[:, mine],
        index=rows,
        columns=[
            names[0][i] if names[0][i] == names[1][j] else f"{names[0][i]} / {names[1][j]}"
            for i, j in zip(mine, theirs, strict=True)
        ],
    )


def _split(name: str) -> tuple[str, int]:
    found = _HEAD.match(name)
    return (found[1], int(found[2])) if found else (name, 1)

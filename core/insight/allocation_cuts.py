"""Cuts through the allocation [layers, tasks, skills] that a screen shows: a layer, a routing head, a task over all
layers, and for the mixture of task adapters its two stages apart. Torch-free; everything is a pandas table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from core.adapters.skill import COMMON
from core.base.errors import RunError
from core.insight.allocation import FEWEST_TASKS, Allocation, task_similarity, telling_layer

_HEAD = re.compile(r"^(.*) head (\d+)$")
NEAREST = 6  # layers that are named where there is no such one
ALPHA, GATE = "alpha", "gate"
SHARED = "shared"  # how the adapters of stage 2 are named, before their number
OWN = "own adapters"  # the column of the gate that stands for a task's own sum


def layer_names(allocation: Allocation) -> list[str]:
    """The layers without their routing heads, in order."""
    return list(dict.fromkeys(_split(name)[0] for name in allocation.layers))


def num_heads(allocation: Allocation) -> int:
    """Routing heads of a layer; 1 for methods without them."""
    return max((_split(name)[1] for name in allocation.layers), default=1)


def pick_layer(allocation: Allocation, layer: str | None = None, head: int | None = None) -> int:
    """The place in `allocation.layers` of a layer and routing head (from 1); of what is not said, the one in which
    the tasks differ most (never a mean: skills are exchangeable from layer to layer).

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
        names = layer_names(allocation)
        raise RunError(
            "insight.no_layer", layer=wanted, count=len(names), known=", ".join(_nearest(str(wanted), names))
        )
    return telling_layer(allocation, chosen)


def _nearest(wanted: str, names: Sequence[str]) -> list[str]:
    """The layers of that block or kind; without any, the first and the last."""
    alike = [name for name in names if wanted.lower() in re.split(r"[.\s]+", name.lower())]
    return alike[:NEAREST] or list(dict.fromkeys([names[0], names[-1]]))


def task_by_layer(allocation: Allocation, task: str, head: int | None = None) -> pd.DataFrame:
    """One task's mixing weights, one row a layer and routing head (all, or one head).

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
        index=list(allocation.layers),
    )
    return frame if head is None else frame[[_split(name)[1] == head for name in allocation.layers]]


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


def difference_of_runs(first: Allocation, second: Allocation) -> pd.DataFrame:
    """How alike two tasks are in the second run minus how alike they are in the first, [tasks x tasks], on the
    tasks that both have (correlations of their rows, -2 to 2).

    Weights themselves cannot be subtracted: skills have no fixed order, neither between runs nor between layers.

    Raises:
        RunError: fewer than FEWEST_TASKS tasks, or no skills, in common.
    """
    names = [name for name in first.tasks if name in second.tasks]
    if len(names) < FEWEST_TASKS or not (first.columns(COMMON) and second.columns(COMMON)):
        raise RunError("insight.nothing_shared")
    before, after = (task_similarity(_only(one, names), centred=True) for one in (first, second))
    return after - before


def _only(allocation: Allocation, tasks: list[str]) -> Allocation:
    places = [allocation.tasks.index(name) for name in tasks]
    return replace(allocation, tasks=tuple(tasks), weights=allocation.weights[:, places], squashed=None)


def _split(name: str) -> tuple[str, int]:
    found = _HEAD.match(name)
    return (found[1], int(found[2])) if found else (name, 1)

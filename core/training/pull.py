"""Which tasks pull the common skills the same way, before anything is learned.

The gradient of a task's loss on skills that know nothing says how its rows would change them. Two tasks pull the
same way where the cosine of their gradients is high. At the end of a training little is left to pull at, and that
is noise, so it is asked of untrained skills. Rows are asked in GROUPS parts, so that what comes back in all of them
can be told from chance (core/insight/pull.py). On planted tasks this finds twins that trained weights do not show
(assets/docs/planted.json); it hangs on how answers are written, so unlike forms of one question stay apart.

Legend: T tasks, K groups of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.adapters.allocation_metrics import cosine
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit, Place
from core.training.validation import to_device

GROUPS, MOST_ROWS = 5, 16  # in four groups one of three pairs comes back every time in 1 of 27 shuffles
FEWEST_ROWS = 4  # of a task; then there are as many groups
FEWEST_TASKS = 3  # one pair alone has nothing to be compared with
MOST_TASKS = 24  # gradients are held side by side: 13 MB a task for a model of half a billion parameters


def measure_pull(model: AnswerModel, split: EncodedSplit) -> dict[str, Any] | None:
    """Returns {tasks, rows, cosines [K][T][T]}: which tasks were asked (those with rows enough), of how
    many rows each at most, and by group the cosines of their gradients. None where that is fewer than three tasks
    or more than can be held, and where the method has no common skills. The model is left as it was."""
    asked = [task for task, rows in enumerate(split.examples) if len(rows) >= FEWEST_ROWS]
    if not FEWEST_TASKS <= len(asked) <= MOST_TASKS:
        return None
    groups = min(GROUPS, min(len(split.examples[task]) for task in asked))
    parts = [_parts(task, min(MOST_ROWS, len(split.examples[task])), groups) for task in asked]
    was_training = model.training
    model.eval()  # no noise: every task mixes the skills alike
    try:
        with model.modular.adapter.as_untrained() as common, torch.enable_grad():
            if common is None:
                return None
            cosines = [_cosines(model, split, common, [part[g] for part in parts]) for g in range(groups)]
    finally:
        model.train(was_training)
    rows = max(min(MOST_ROWS, len(split.examples[task])) for task in asked)
    return {"tasks": asked, "rows": rows, "cosines": np.round(cosines, 7).tolist()}


def _parts(task: int, rows: int, groups: int) -> list[list[Place]]:
    """A task's rows dealt out to the groups."""
    return [[(task, row) for row in range(group, rows, groups)] for group in range(groups)]


def _cosines(
    model: AnswerModel, split: EncodedSplit, common: torch.nn.Parameter, parts: list[list[Place]]
) -> NDArray[np.float64]:
    """Of the gradients of one part of each task's rows, [T, T]."""
    gradients: list[NDArray[np.float32]] = []
    for places in parts:
        common.grad = None
        model(to_device(split.collate(places), model.modular.device)).mean().backward()
        assert common.grad is not None
        gradients.append(common.grad.flatten().float().cpu().numpy())
    return cosine(np.array(gradients, dtype=np.float64))

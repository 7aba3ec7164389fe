"""Which tasks pull the common skills the same way, before anything is learned.

The gradient of a task's loss on skills that know nothing says how its rows would change them. Two tasks pull the
same way where the cosine of their gradients is high. At the end of a training little is left to pull at, and that
is noise, so it is asked of untrained skills. Rows are asked in GROUPS parts, so that what comes back in all of them
can be told from chance (core/insight/pull.py). On planted tasks this finds twins that trained weights do not show
(assets/docs/planted.json); it hangs on how answers are written, so unlike forms of one question stay apart.

It is measured behind a finished training, so it never needs more memory at once than one row forward and back and
T gradients, and a failure of it is told in the log and leaves the run as it is.

Legend: T tasks, K groups of rows, P numbers of the common skills.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit, Place
from core.training.validation import to_device

GROUPS, MOST_ROWS = 5, 16  # in four groups one of three pairs comes back every time in 1 of 27 shuffles
FEWEST_ROWS = 4  # of a task; then there are as many groups
FEWEST_TASKS = 3  # one pair alone has nothing to be compared with
MOST_TASKS = 24  # gradients are held side by side: 13 MB a task for a model of half a billion parameters
MOST_NUMBERS = 2**28  # T x P of them, 1 GB
CHUNK = 2**16  # numbers of each task that are multiplied at once in float64


def measure_pull(model: AnswerModel, split: EncodedSplit) -> dict[str, Any] | None:
    """Returns {tasks, rows, cosines [K][T][T]}: which tasks were asked (those with rows enough), of how
    many rows each at most, and by group the cosines of their gradients. None where that is fewer than three tasks
    or more than can be held, and where the method has no common skills; {} where memory or the model fails, which
    another time they may not. The model is left as it was."""
    try:
        return _measure(model, split)
    except (MemoryError, RuntimeError):  # torch says both so, of memory that ran out and of what cannot be called
        print("which tasks pull the same way could not be measured", file=sys.stderr)
        traceback.print_exc()
        return {}


def _measure(model: AnswerModel, split: EncodedSplit) -> dict[str, Any] | None:
    asked = [task for task, rows in enumerate(split.examples) if len(rows) >= FEWEST_ROWS]
    if not FEWEST_TASKS <= len(asked) <= MOST_TASKS:
        return None
    groups = min(GROUPS, min(len(split.examples[task]) for task in asked))
    parts = [_parts(task, min(MOST_ROWS, len(split.examples[task])), groups) for task in asked]
    was_training = model.training
    model.eval()  # no noise: every task mixes the skills alike
    try:
        with model.modular.adapter.as_untrained() as common, torch.enable_grad():
            if common is None or common.numel() * len(asked) > MOST_NUMBERS:
                return None
            gradients = np.empty((len(asked), common.numel()), dtype=np.float32)
            cosines = []
            for group in range(groups):
                for task, part in enumerate(parts):
                    gradients[task] = _gradient(model, split, common, part[group])
                cosines.append(cosines_of(gradients))
    finally:
        model.train(was_training)
    rows = max(min(MOST_ROWS, len(split.examples[task])) for task in asked)
    return {"tasks": asked, "rows": rows, "cosines": np.round(cosines, 7).tolist()}


def _parts(task: int, rows: int, groups: int) -> list[list[Place]]:
    """A task's rows dealt out to the groups."""
    return [[(task, row) for row in range(group, rows, groups)] for group in range(groups)]


def _gradient(
    model: AnswerModel, split: EncodedSplit, common: torch.nn.Parameter, places: list[Place]
) -> NDArray[np.float32]:
    """Of the loss of a task's rows, a row at a time, [P]. Summed over answer tokens: its length says nothing."""
    common.grad = None
    for place in places:
        loss = model(to_device(split.collate([place]), model.modular.device)).sum()
        loss.backward(inputs=[common])
    assert common.grad is not None
    found: NDArray[np.float32] = common.grad.flatten().float().cpu().numpy()
    return found


def cosines_of(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Of every two rows of [T, P], [T, T]: summed up in float64, a few columns at a time. As
    `allocation_metrics.cosine`, without whole copies."""
    products = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], CHUNK):
        few = rows[:, start : start + CHUNK].astype(np.float64)
        products += few @ few.T
    norms = np.sqrt(np.diag(products))
    safe = np.where(norms > 0, norms, 1.0)
    found: NDArray[np.float64] = np.clip(products / np.outer(safe, safe), -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found

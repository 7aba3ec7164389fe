"""How an allocation is written down: private skills that are their own tasks' alone need no numbers.

With T tasks and B private skills each, T x T*B numbers a layer say "1 for its own task, 0 for the others": of 300
tasks 97 % of the file. Such a block is written as B alone (`own_private`). Axes: ..., T tasks, S = A + T*B skills.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pack_weights(weights: Array, num_common: int) -> tuple[Array, int]:
    """(the weights to be written, B); B is 0 where all of them have to be."""
    tasks, count = weights.shape[-2], weights.shape[-1] - num_common
    each = count // tasks if tasks else 0
    if not each or count % tasks or not (weights[..., num_common:] == _own(tasks, each)).all():
        return weights, 0
    return weights[..., :num_common], each


def unpack_weights(written: Array, own_private: int) -> Array:
    """The whole weights."""
    if not own_private:
        return written
    own = _own(written.shape[-2], own_private)
    return np.concatenate([written, np.broadcast_to(own, (*written.shape[:-1], own.shape[-1]))], -1)


def _own(tasks: int, each: int) -> Array:
    return np.repeat(np.eye(tasks), each, 1)

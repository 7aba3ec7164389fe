"""Reference for C-Poly and its family: numpy loops in float64, written from the papers' formulas, no torch.

It reads only the saved tensors (bank.common, bank.private.<task>, router.logits, router.private) and the sizes of
the layers, and returns the dense change of every layer's weight for a task. Run as a script it prints the golden
numbers of `tests/adapters/test_golden.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Groups of layers that read one input: (inputs, outputs of each member, positions of the members)."""

    groups: Sequence[tuple[int, Sequence[int], Sequence[int]]]
    rank: int
    combine: str
    heads: int


def split_skill(row: np.ndarray, layout: Layout) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """One skill's numbers -> layer position -> (A [r, i], B [o, r])."""
    factors, at = {}, 0
    for inputs, outputs, members in layout.groups:
        downs = []
        for _ in members:
            downs.append(row[at : at + layout.rank * inputs].reshape(layout.rank, inputs))
            at += layout.rank * inputs
        for member, down, out in zip(members, downs, outputs, strict=True):
            factors[member] = (down, row[at : at + out * layout.rank].reshape(out, layout.rank))
            at += out * layout.rank
    assert at == len(row)
    return factors


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def mixing_weights(tensors: Mapping[str, np.ndarray], layer: int, task: int, private: int) -> list[float]:
    """Weights of task over [common.., private of task 0, .., private of the last task] in one row of the router."""
    gates = [sigmoid(float(v)) for v in tensors["router.logits"][layer][task]]
    weights = [g / sum(gates) for g in gates]
    if private:
        tasks = tensors["router.logits"].shape[1]
        if "router.private" in tensors:
            weights += [float(v) for v in tensors["router.private"][layer][task]]
        else:
            weights += [1.0 if t == task else 0.0 for t in range(tasks) for _ in range(private)]
    return weights


def dense_changes(tensors: Mapping[str, np.ndarray], layout: Layout, task: int) -> list[np.ndarray]:
    """The change [o, i] of each layer's weight for one task."""
    rows = [np.asarray(r, np.float64) for r in tensors["bank.common"]]
    private = 0
    count = sum(name.startswith("bank.private.") for name in tensors)
    for t in range(count):
        block = tensors[f"bank.private.{t}"]
        private = len(block)
        rows += [np.asarray(r, np.float64) for r in block]
    skills = [split_skill(row, layout) for row in rows]
    changes = []
    layers = sum(len(g[2]) for g in layout.groups)
    shared_row = tensors["router.logits"].shape[0] == layout.heads and layers > 1
    for layer in range(layers):
        first = 0 if shared_row else layer * layout.heads
        by_head = [mixing_weights(tensors, first + h, task, private) for h in range(layout.heads)]
        changes.append(_combine([s[layer] for s in skills], by_head, layout))
    return changes


def _combine(
    factors: list[tuple[np.ndarray, np.ndarray]], by_head: list[list[float]], layout: Layout
) -> np.ndarray:
    out, inputs = factors[0][1].shape[0], factors[0][0].shape[1]
    block_o, block_i = out // layout.heads, inputs // layout.heads
    if layout.combine == "sum":
        change = np.zeros((out, inputs))
        for s, (a, b) in enumerate(factors):
            for h, weights in enumerate(by_head):
                rows = slice(h * block_o, (h + 1) * block_o)
                change[rows] += weights[s] * (b[rows] @ a)
        return change
    mixed_a, mixed_b = np.zeros((layout.rank, inputs)), np.zeros((out, layout.rank))
    for s, (a, b) in enumerate(factors):
        for h, weights in enumerate(by_head):
            columns, rows = slice(h * block_i, (h + 1) * block_i), slice(h * block_o, (h + 1) * block_o)
            mixed_a[:, columns] += weights[s] * a[:, columns]
            mixed_b[rows] += weights[s] * b[rows]
    return mixed_b @ mixed_a / layout.rank


def golden() -> dict[str, np.ndarray]:
    """A layer of 2 inputs and 2 outputs, rank 1, two common skills, one private skill for each of two tasks."""
    tensors = {
        "bank.common": np.array([[1.0, 2.0, 3.0, -1.0], [0.5, -1.0, 2.0, 4.0]]),
        "bank.private.0": np.array([[1.0, 0.0, 0.0, 1.0]]),
        "bank.private.1": np.array([[2.0, 1.0, -1.0, 0.5]]),
        "router.logits": np.array([[[0.0, 1.0], [2.0, -2.0]]]),
    }
    return {
        f"{combine} {task}": dense_changes(tensors, Layout(((2, (2,), (0,)),), 1, combine, 1), task)[0].ravel()
        for combine in ("sum", "mix")
        for task in (0, 1)
    }


if __name__ == "__main__":
    for name, values in golden().items():
        print(name, [round(v, 12) for v in values])

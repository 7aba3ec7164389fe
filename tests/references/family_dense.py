"""Reference for LoRA, AdaLoRA, TAPS, MoE-LoRA, Arrow, task-based MoE and (IA)^3: numpy loops in float64 from the
papers' formulas.

Each function gives the output of one layer for the tokens of one example. Run as a script it prints the golden
numbers of `tests/adapters/test_references.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def linear(x: Array, weight: Array, bias: Array | None) -> Array:
    y = np.array([[sum(w * v for w, v in zip(row, token, strict=True)) for row in weight] for token in x])
    return y if bias is None else y + bias


def lora(x: Array, weight: Array, bias: Array | None, factors: tuple[Array, Array], alpha: float) -> Array:
    """Hu et al. (2106.09685), section 4.1: W0 x + (alpha / r) B A x."""
    down, up = factors
    return linear(x, weight + alpha / len(down) * (up @ down), bias)


def adalora(x: Array, weight: Array, bias: Array | None, factors: tuple[Array, Array], values: Array) -> Array:
    """Zhang et al. (2303.10512), equation 3: W0 x + P diag(e) Q x; Q [R, i], P [o, R], e [R]."""
    down, up = factors
    return linear(x, weight + up @ np.diag(values) @ down, bias)


def taps(
    x: Array, weight: Array, bias: Array | None, factors: tuple[Array, Array], score: float, scores: Sequence[float]
) -> Array:
    """Wallingford et al. (2203.16708), section 3: W0 + 1[s >= 0.1] B A, the task's own. The largest of the `scores`
    of all layers is on in any case (ours)."""
    down, up = factors
    is_on = score >= 0.1 or score == max(scores)
    return linear(x, weight + is_on * (up @ down), bias)


def softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    powers = [math.exp(s - top) for s in scores]
    return [p / sum(powers) for p in powers]


def moe_lora(
    x: Array, weight: Array, bias: Array | None, gate: Array, experts: Sequence[tuple[Array, Array]]
) -> Array:
    """Dou et al. (2312.09979), equations 5 and 6: every token's own softmax over the experts; gate [E, i]."""
    y = linear(x, weight, bias)
    for number, token in enumerate(x):
        shares = softmax([float(row @ token) for row in gate])
        for share, (down, up) in zip(shares, experts, strict=True):
            y[number] += share * (up @ (down @ token))
    return y


def arrow(
    x: Array, weight: Array, bias: Array | None, library: Sequence[tuple[Array, Array]], chosen: tuple[int, float]
) -> Array:
    """Ostapenko et al. (2405.11157), section 4.1: each token's softmax over the K largest of |x v| / heat, v the
    first right singular vector of an expert's B A; `chosen`: K and heat."""
    y, (most, heat) = linear(x, weight, bias), chosen
    leading = [np.linalg.svd(up @ down)[2][0] for down, up in library]
    for number, token in enumerate(x):
        likeness = [abs(float(vector @ token)) / heat for vector in leading]
        largest = sorted(range(len(library)), key=lambda e: -likeness[e])[:most]
        for share, expert in zip(softmax([likeness[e] for e in largest]), largest, strict=True):
            down, up = library[expert]
            y[number] += share * (up @ (down @ token))
    return y


def task_gate(read: Array, reader: Array, told: Array, listener: Array) -> list[float]:
    """Pham et al. (2308.15772), section 3: a gate of input and task; read [i] is the pooled prompt, told [d] the
    task, reader [M, i] and listener [M, d] the gate's rows."""
    scores = (sum(r * x for r, x in zip(row, read, strict=True)) / math.sqrt(len(read)) for row in reader)
    return softmax([float(s + row @ told) for s, row in zip(scores, listener, strict=True)])


def task_moe(
    x: Array, weight: Array, bias: Array | None, gate: Sequence[float], pool: Sequence[tuple[Array, Array]]
) -> Array:
    """One gate [M] for all tokens of an example."""
    y = linear(x, weight, bias)
    for number, token in enumerate(x):
        for share, (down, up) in zip(gate, pool, strict=True):
            y[number] += share * (up @ (down @ token))
    return y


def ia3_outputs(x: Array, weight: Array, bias: Array | None, scale: Array) -> Array:
    """Liu et al. (2205.05638), section 3.3: keys and values are multiplied element by element."""
    return np.array([[s * v for s, v in zip(scale, row, strict=True)] for row in linear(x, weight, bias)])


def ia3_inputs(x: Array, weight: Array, bias: Array | None, scale: Array) -> Array:
    """The feed-forward network's inner activations are multiplied before its last layer."""
    return linear(np.array([[s * v for s, v in zip(scale, row, strict=True)] for row in x]), weight, bias)


def golden() -> dict[str, Array]:
    """One token of two numbers through a layer of two outputs, rank 1."""
    x, weight = np.array([[1.0, -2.0]]), np.array([[0.5, 1.0], [-1.0, 2.0]])
    experts = [
        (np.array([[1.0, 2.0]]), np.array([[3.0], [-1.0]])),
        (np.array([[0.5, -1.0]]), np.array([[2.0], [4.0]])),
    ]
    both = np.concatenate([down for down, _ in experts]), np.concatenate([up for _, up in experts], axis=1)
    gate = np.array([[0.3, 0.1], [-0.2, 0.4]])
    return {
        "lora": lora(x, weight, None, experts[0], 3.0).ravel(),
        "adalora": adalora(x, weight, None, both, np.array([0.5, -2.0])).ravel(),
        "taps on": taps(x, weight, None, experts[0], 0.1, [0.1, 0.3]).ravel(),
        "taps off": taps(x, weight, None, experts[0], 0.09, [0.09, 0.3]).ravel(),
        "taps last layer": taps(x, weight, None, experts[0], 0.09, [0.09, 0.03]).ravel(),
        "arrow": arrow(
            x, weight, None, [*experts, (np.array([[0.0, 1.0]]), np.array([[1.0], [1.0]]))], (2, 1.0)
        ).ravel(),
        "moe_lora": moe_lora(x, weight, None, gate, experts).ravel(),
        "task_moe": task_moe(x, weight, None, task_gate(x[0], gate, x[0] / 4, gate.T), experts).ravel(),
        "ia3 outputs": ia3_outputs(x, weight, None, np.array([1.5, -0.5])).ravel(),
        "ia3 inputs": ia3_inputs(x, weight, None, np.array([1.5, -0.5])).ravel(),
    }


if __name__ == "__main__":
    for name, values in golden().items():
        print(name, [round(float(v), 12) for v in values])

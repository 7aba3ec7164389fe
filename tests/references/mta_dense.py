"""Reference for ALTER's Mixture-of-Task-Adapters: numpy in float64 from the definition in
`core/adapters/methods/mta.py`'s documentation, no torch.

Run as a script it prints the golden numbers of `tests/adapters/test_references.py`.

Legend: n tokens, d width, N task adapters, K shared adapters, h units of the gate. An adapter is a function
[n, d] -> [n, d]; `base` is the block's own feed-forward network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Network = Callable[[Array], Array]


@dataclass(frozen=True)
class Gate:
    """Two layers: hidden [h, (K+1)*d] with bias [h], out [K+1, h] with bias [K+1]; `start` = the bias of g_0."""

    hidden: Array
    hidden_bias: Array
    out: Array
    out_bias: Array
    start: float


def softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    powers = [math.exp(s - top) for s in scores]
    return [p / sum(powers) for p in powers]


def light(base: Network, down: Array, up: Array, scale: float = 1.0) -> Network:
    """FFN(x) + scale * U D x for down [r, d], up [d, r]."""
    return lambda x: base(x) + scale * np.array([up @ (down @ token) for token in x])


def alpha(logits: Sequence[float], temperature: float, own_pair: bool) -> list[float]:
    """The selector's weights of a task; `own_pair` keeps the two largest, divided by their sum."""
    weights = softmax([v / temperature for v in logits])
    if not own_pair:
        return weights
    kept = sorted(range(len(weights)), key=lambda k: -weights[k])[:2]
    total = sum(weights[k] for k in kept)
    return [w / total if k in kept else 0.0 for k, w in enumerate(weights)]


def stage_one(x: Array, adapters: Sequence[Network], weights: Sequence[float]) -> Array:
    total = np.zeros_like(x)
    for weight, adapter in zip(weights, adapters, strict=True):
        total = total + weight * adapter(x)
    return total


def gate_weights(parts: Sequence[Array], prompt: Array, gate: Gate) -> list[float]:
    """g from the outputs of e_t and the shared adapters, averaged over the prompt's tokens (prompt [n] of 0/1)."""
    pooled: list[float] = []
    for part in parts:
        chosen = [token for token, marked in zip(part, prompt, strict=True) if marked]
        pooled += list(sum(chosen) / len(chosen))
    hidden = [
        max(0.0, float(row @ np.array(pooled)) + b) for row, b in zip(gate.hidden, gate.hidden_bias, strict=True)
    ]
    return softmax([float(row @ np.array(hidden)) + b for row, b in zip(gate.out, gate.out_bias, strict=True)])


def stage_two(x: Array, base: Network, own: Array, shared: Sequence[Network], prompt: Array, gate: Gate) -> Array:
    """F + (g_0 / start) (e_t - F) + sum g_k (S_k - F), start = softmax(beta, 0, ..)_0. Of a task's own pair, e_t is
    p_t, and what stage 1 had beyond it, e_t - p_t, is added by the caller."""
    parts = [own, *(network(x) for network in shared)]
    g = gate_weights(parts, prompt, gate)
    start = math.exp(gate.start) / (math.exp(gate.start) + len(shared))
    weights = [g[0] / start, *g[1:]]
    plain = base(x)
    total = plain.copy()
    for weight, part in zip(weights, parts, strict=True):
        total = total + weight * (part - plain)
    return total


def golden() -> dict[str, Array]:
    """Two tokens of width 2, three light task adapters of rank 1, one shared one; the prompt is the first token."""
    x = np.array([[1.0, -1.0], [0.5, 2.0]])

    def base(values: Array) -> Array:
        return np.tanh(values)

    downs = [np.array([[1.0, 0.5]]), np.array([[-1.0, 2.0]]), np.array([[0.25, 1.0]])]
    ups = [np.array([[0.5], [1.0]]), np.array([[1.0], [-0.5]]), np.array([[2.0], [0.25]])]
    adapters = [light(base, d, u) for d, u in zip(downs, ups, strict=True)]
    shared = [light(base, np.array([[1.0, 1.0]]), np.array([[-0.5], [0.75]]))]
    gate = Gate(
        np.array([[0.5, -0.25, 0.1, 0.3], [0.2, 0.4, -0.6, 0.1]]),
        np.array([1.1, 0.9]),
        np.array([[0.3, -0.4], [0.6, 0.2]]),
        np.array([1.0, 0.0]),
        1.0,
    )
    logits, prompt = [0.22, 0.25, 0.1], np.array([1, 0])
    pair = stage_one(x, adapters, alpha(logits, 0.1, True))
    whole = stage_one(x, adapters, alpha(logits, 0.1, False))
    return {
        "stage 1": whole.ravel(),
        "stage 2": stage_two(x, base, whole, shared, prompt, gate).ravel(),
        "stage 2 own pair": (stage_two(x, base, pair, shared, prompt, gate) + whole - pair).ravel(),
    }


if __name__ == "__main__":
    for name, values in golden().items():
        print(name, [round(float(v), 12) for v in values])

"""One adapter out of the LoRAs of several tasks: the arithmetic. Needs torch.

A task's weight change is tau_t = {layer: B_t A_t}. Average, task arithmetic and MetaGPT are sums lambda_t tau_t,
which the factors side by side represent exactly. TIES and DARE choose among single numbers of the change, so they
are computed on it layer by layer with PEFT's `merge_utils` and brought back to factors by a singular value
decomposition; what that leaves out is told. Norms and cosines never need the dense change: <tau_t, tau_s> = sum
over layers of trace((A_t A_s^T)(B_s^T B_t)).

Differences to the papers: TIES trims each layer by itself (the paper trims the whole model at once), and the
changes are those of adapters instead of fully trained models.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from peft.utils.merge_utils import dare_linear, ties
from torch import Tensor

from core.adapters.base import LoraFactors
from core.merge.table import ARROW, DENSE, MAX_RANK, TIES, MergeSettings, MergeTable, merge_factors

_LOW_RANK_WORTH = 4  # a layer this many times larger than the rank is decomposed approximately


@dataclass(frozen=True)
class Merged:
    """The merged factors, all of one rank, and the table that explains them."""

    factors: LoraFactors
    table: MergeTable


def merge_loras(names: Sequence[str], changes: Sequence[LoraFactors], settings: MergeSettings) -> Merged:
    """Merges the changes of some tasks; a layer that a task does not adapt counts as no change.

    Args:
        changes: for each task, layer name -> (A [K, i], B [o, K]).
    """
    gram = gram_matrix(changes)
    norms = gram.diagonal().clamp_min(0).sqrt()
    factors = merge_factors(settings, norms.tolist())
    rank = min(settings.rank or sum(max(a.shape[0] for a, _ in c.values()) for c in changes), MAX_RANK)
    merged, kept, whole = {}, 0.0, 0.0
    for index, name in enumerate(dict.fromkeys(name for change in changes for name in change)):
        if settings.way in DENSE:
            dense = dense_merge(name, changes, factors, settings, settings.seed + index)
            merged[name], layer_kept, layer_whole = decompose(dense, rank, settings.seed)
        else:
            merged[name], layer_kept, layer_whole = compress(*stack(name, changes, factors), rank)
        kept, whole = kept + layer_kept, whole + layer_whole
    table = describe_changes(names, gram, settings, rank, kept / whole if whole else 1.0)
    return Merged(merged, table)


def describe_changes(
    names: Sequence[str], gram: Tensor, settings: MergeSettings, rank: int, kept: float
) -> MergeTable:
    """The table of a merge from its tasks' inner products [T, T]."""
    norms = gram.diagonal().clamp_min(0).sqrt()
    lengths = norms.clamp_min(1e-12)
    cosines = (gram / lengths[:, None] / lengths).clamp(-1, 1)
    return MergeTable(
        settings.way,
        list(names),
        [round(n, 6) for n in norms.tolist()],
        [round(f, 6) for f in merge_factors(settings, norms.tolist())],
        [[round(c, 4) for c in row] for row in cosines.tolist()],
        rank,
        round(kept, 6),
        None if settings.way not in ("task_arithmetic", *DENSE) else settings.require_scale(len(names)),
        settings.require_density() if settings.way in DENSE else None,
        min(settings.top, len(names)) if settings.way == ARROW else None,
    )


def gram_matrix(changes: Sequence[LoraFactors]) -> Tensor:
    """[T, T] inner products of the changes over all layers, in float64, from the factors alone."""
    count = len(changes)
    gram = torch.zeros(count, count, dtype=torch.float64)
    for t in range(count):
        for s in range(t, count):
            common = changes[t].keys() & changes[s].keys()
            found = sum(_inner(changes[t][name], changes[s][name]) for name in sorted(common))
            gram[t, s] = gram[s, t] = found
    return gram


def _inner(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> float:
    (a, b), (c, d) = ((x.double(), y.double()) for x, y in (first, second))
    # trace((A C^T)(D^T B)) as a sum over [K, K]: no matrix of the layer's own size.
    return float(((a @ c.T) * (b.T @ d)).sum())


def stack(name: str, changes: Sequence[LoraFactors], factors: Sequence[float]) -> tuple[Tensor, Tensor]:
    """A [sum of K, i] and B [o, sum of K] of the weighted sum in one layer."""
    pairs = [(change[name], factor) for change, factor in zip(changes, factors, strict=True) if name in change]
    return torch.cat([a.float() for (a, _), _ in pairs]), torch.cat([b.float() * f for (_, b), f in pairs], 1)


def compress(down: Tensor, up: Tensor, rank: int) -> tuple[tuple[Tensor, Tensor], float, float]:
    """Factors of exactly `rank`, with the squared norm they keep and the whole one. Smaller ones are filled
    with zeros and exact; larger ones keep the largest singular values (two QR decompositions, never the dense
    matrix)."""
    if down.shape[0] <= rank:
        whole = _inner((down, up), (down, up))
        return _filled(down, up, rank), whole, whole
    # B A = Q_B (R_B R_A^T) Q_A^T: its singular values are those of the small [K, K] product.
    left, small_left = torch.linalg.qr(up.double())
    right, small_right = torch.linalg.qr(down.double().T)
    u, s, v = torch.linalg.svd(small_left @ small_right.T)
    root = s[:rank].sqrt()
    # The root of each singular value on either side keeps both factors of one size.
    pair = (root[:, None] * v[:rank] @ right.T).float(), (left @ u[:, :rank] * root).float()
    return _filled(*pair, rank), float((s[:rank] ** 2).sum()), float((s**2).sum())


def decompose(dense: Tensor, rank: int, seed: int) -> tuple[tuple[Tensor, Tensor], float, float]:
    """The same from a dense change [o, i]."""
    whole = float((dense.double() ** 2).sum())
    if min(dense.shape) > _LOW_RANK_WORTH * rank:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # Columns to spare and power steps sharpen the random projection (Halko et al. 2011, section 4).
            u, s, v = torch.svd_lowrank(dense, q=rank + 8, niter=6)
        v = v.T
    else:
        u, s, v = torch.linalg.svd(dense, full_matrices=False)
    root = s[:rank].sqrt()
    pair = (root[:, None] * v[:rank]).contiguous(), (u[:, :rank] * root).contiguous()
    return _filled(*pair, rank), min(whole, float((s[:rank].double() ** 2).sum())), whole


def dense_merge(
    name: str, changes: Sequence[LoraFactors], factors: Sequence[float], settings: MergeSettings, seed: int
) -> Tensor:
    """The change of one layer [o, i] by TIES (trim, elect a sign, mean of those that agree) or DARE (drop at
    random, enlarge the rest, sum); the same seed drops the same numbers."""
    pairs = [(c[name], f) for c, f in zip(changes, factors, strict=True) if name in c]
    dense = [b.float() @ a.float() for (a, b), _ in pairs]
    weights = torch.tensor([factor for _, factor in pairs])
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a density of 1 is a wish, not a mistake
        torch.manual_seed(seed)
        merge = ties if settings.way == TIES else dare_linear
        return merge(dense, weights, settings.require_density())


def _filled(down: Tensor, up: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    missing = rank - down.shape[0]
    pad = torch.nn.functional.pad
    return (pad(down, (0, 0, 0, missing)), pad(up, (0, missing))) if missing > 0 else (down, up)

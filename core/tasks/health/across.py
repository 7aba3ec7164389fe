"""Between tasks: practice rows of one that ask what the final exam of another asks, word for word or nearly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.tasks.health.near_duplicates import near_pairs
from core.tasks.health.rows import TaskRows

SHOWN_PLACES = 200
Pair = tuple[int, int]  # numbers of two tasks: whose practice, whose exam


def across_findings(loaded: Sequence[tuple[TaskRows, Any]]) -> list[dict[str, Any]]:
    """Findings as fields, one a pair of tasks and kind. `loaded` holds each task's rows and near signatures."""
    if len(loaded) < 2:
        return []
    rows_of = [rows for rows, _ in loaded]
    found = [_finding("health.leak_across", rows_of, pair, hits) for pair, hits in _exact(rows_of).items()]
    return found + [_finding("health.near_leak_across", rows_of, p, hits) for p, hits in _near(loaded).items()]


def _exact(tasks: Sequence[TaskRows]) -> dict[Pair, list[int]]:
    exams: defaultdict[str, set[int]] = defaultdict(set)
    for number, rows in enumerate(tasks):
        for key, split in zip(rows.keys, rows.splits, strict=True):
            if split == "test":
                exams[key].add(number)
    hits: defaultdict[Pair, list[int]] = defaultdict(list)
    for number, rows in enumerate(tasks):
        for index, (key, split) in enumerate(zip(rows.keys, rows.splits, strict=True)):
            if split == "train" and key in exams:
                for owner in exams[key] - {number}:
                    hits[(number, owner)].append(index)
    return hits


def _near(loaded: Sequence[tuple[TaskRows, Any]]) -> dict[Pair, list[int]]:
    """Nearly alike and not word for word, among the different practice and exam texts of all tasks."""
    owners: list[int] = []
    places: list[int] = []
    parts = []
    for number, (rows, signatures) in enumerate(loaded):
        first: dict[tuple[str, bool], int] = {}
        for index, (key, split) in enumerate(zip(rows.keys, rows.splits, strict=True)):
            if split != "validation":
                first.setdefault((key, split == "test"), index)
        owners += [number] * len(first)
        places += first.values()
        parts.append(signatures[np.asarray(list(first.values()), dtype=np.int64)])

    def is_leak(a: int, b: int) -> bool:
        one, other = loaded[owners[a]][0], loaded[owners[b]][0]
        exam = (one.splits[places[a]] == "test", other.splits[places[b]] == "test")
        return owners[a] != owners[b] and exam[0] != exam[1] and one.keys[places[a]] != other.keys[places[b]]

    texts = [loaded[o][0].texts[i] for o, i in zip(owners, places, strict=True)]
    hits: defaultdict[Pair, set[int]] = defaultdict(set)
    for a, b in near_pairs(texts, np.concatenate(parts), wanted=is_leak):
        if loaded[owners[a]][0].splits[places[a]] == "test":
            a, b = b, a
        hits[(owners[a], owners[b])].add(places[a])
    return {pair: sorted(indices) for pair, indices in hits.items()}


def _finding(key: str, tasks: Sequence[TaskRows], pair: Pair, hits: list[int]) -> dict[str, Any]:
    rows = tasks[pair[0]]
    values = {"task": rows.spec.name, "other": tasks[pair[1]].spec.name, "example": rows.texts[hits[0]][:120]}
    places = tuple(rows.place(i) for i in hits[:SHOWN_PLACES])
    return {"key": key, "severity": "info", "count": len(hits), "values": values, "places": places}

"""The task detector of a run in a form that may leave the workbench: means over practice rows, never of few.

The detector of the workbench compares a text with every practice row. Here a task is one mean of its rows and a
foreign topic one mean of its texts; which task it is, is told by the same linear classifier. Whether it is none of
them has its own limit, fitted on the likenesses to these means as `abstaining.py` fits its own, and has figures of
its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from core.base.files import write_text_atomic
from core.chat.abstaining import FOLDS, fit_limit, read_foreign_texts
from core.chat.detecting import TaskDetector, find_rows
from core.chat.text_space import HALF, LONGEST, NUM_FEATURES, Array
from core.tasks.dataset import TaskDataset

NUMBERS, WEIGHTS = "finder.json", "finder.safetensors"
LEAST_SUMMED = 10  # practice rows of every task: a mean of fewer would be close to a row of somebody's
LEAST_CHECKED = 10  # own texts that the limit is set on; with fewer nothing is refused or found


@dataclass(frozen=True)
class CompactReport:
    """On exam texts: share whose task is told right, share refused by mistake; on foreign texts: share refused,
    each topic judged by a limit set without it. All 0..1."""

    right: float
    refused: float
    recall: float
    num_own: int
    num_foreign: int


def write_finder(dataset: TaskDataset, folder: Path) -> CompactReport | None:
    """Writes NUMBERS and WEIGHTS. None, and nothing written, for one task, or where there are too few rows."""
    own_texts, _ = find_rows(dataset, "validation")
    exam_texts, exam_labels = find_rows(dataset, "test")
    _, labels = find_rows(dataset, "train")
    counts = np.bincount(labels, minlength=len(dataset.tasks))
    if len(dataset.tasks) < 2 or counts.min() < LEAST_SUMMED:
        return None
    if len(own_texts) < LEAST_CHECKED or not exam_texts:
        return None
    detector = TaskDetector(dataset)
    assert detector.model is not None  # there are two tasks
    own_means, foreign_means, topics = _means(detector, labels)
    own = _likenesses(detector.space.place(own_texts), own_means, foreign_means)
    foreign_rows = detector.space.known[len(labels) :][topics >= 0]
    kept = topics[topics >= 0]
    foreign = _likenesses(foreign_rows, own_means, foreign_means, kept)
    limit = fit_limit(own, foreign)
    exam = _likenesses(detector.space.place(exam_texts), own_means, foreign_means)
    folds, told = kept % FOLDS, np.zeros(len(kept), dtype=bool)
    for fold in range(FOLDS):
        inside = folds == fold
        if inside.any() and not inside.all():
            told[inside] = fit_limit(own, foreign[~inside]).foreignness(foreign[inside]) > 0.5
    right = float((detector.probabilities(exam_texts).argmax(1) == exam_labels).mean())
    refused = float((limit.foreignness(exam) > 0.5).mean())
    report = CompactReport(right, refused, float(told.mean()), len(exam_texts), len(told))
    _save(detector, own_means, foreign_means, folder)
    numbers = {
        "names": detector.names, "temperature": detector.temperature, "threshold": limit.threshold,
        "middle": limit.middle.tolist(), "weights": limit.weights.tolist(), "longest": LONGEST, "half": HALF,
        "features": NUM_FEATURES, "intercept": np.asarray(detector.model.intercept_).tolist(),
        "unknown": float(detector.space.rarity.max()),
        "right": report.right, "refused": report.refused, "recall": report.recall,
        "num_own": report.num_own, "num_foreign": report.num_foreign,
    }  # fmt: skip
    write_text_atomic(folder / NUMBERS, json.dumps(numbers, ensure_ascii=False, indent=1))
    return report


def _means(detector: TaskDetector, labels: NDArray[np.int64]) -> tuple[Array, Array, NDArray[np.int64]]:
    """[tasks, features] and [topics, features] of length 1, and the place of each foreign text's topic among them;
    -1 for topics that a task is about itself."""
    known, num = detector.space.known, len(labels)
    own = [np.asarray(known[:num][labels == task].mean(0))[0] for task in range(len(detector.names))]
    given = read_foreign_texts().topics
    names = [topic for topic in np.unique(given) if topic not in detector.abstainer.own_topics]
    foreign = [np.asarray(known[num:][given == topic].mean(0))[0] for topic in names]
    places = np.array([names.index(t) if t in names else -1 for t in given], dtype=np.int64)
    return _of_length_one(np.stack(own)), _of_length_one(np.stack(foreign)), places


def _of_length_one(rows: Array) -> Array:
    # Half precision is what is shipped, so the limit is fitted on it as well.
    found: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return found.astype(np.float16).astype(np.float64)


def _likenesses(placed: object, own: Array, foreign: Array, topics: NDArray[np.int64] | None = None) -> Array:
    """[texts, 2]: to the nearest task's mean and to the nearest foreign topic's, not counting a text's own."""
    near, far = np.asarray(placed @ own.T), np.asarray(placed @ foreign.T)  # type: ignore[operator]
    if topics is not None:
        far[np.arange(len(topics)), topics] = 0.0
    return np.stack([near.max(1), far.max(1)], 1)


def _save(detector: TaskDetector, own: Array, foreign: Array, folder: Path) -> None:
    """Only the columns in which something is known; all others are equally rare and belong to nobody."""
    assert detector.model is not None  # the caller has looked
    known = np.asarray(abs(detector.space.known).sum(0))[0] > 0
    columns = np.flatnonzero(known)
    tables = {
        "columns": columns.astype(np.int32),
        "rarity": detector.space.rarity[columns].astype(np.float32),
        "classes": np.asarray(detector.model.coef_)[:, columns].astype(np.float32),
        "own": own[:, columns].astype(np.float16),
        "foreign": foreign[:, columns].astype(np.float16),
    }
    save_file({name: np.ascontiguousarray(table) for name, table in tables.items()}, str(folder / WEIGHTS))

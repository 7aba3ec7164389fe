"""A finished run learns to find the task of a text by its base model's hidden states. Needs torch."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.base.errors import RunError
from core.chat.detecting import Finder, find_rows, load_detector, report_on
from core.chat.loading import chat_device
from core.chat.router import Router, few_rows, load_router, require_router, save_router, train_router
from core.chat.routing import RouterReport
from core.evaluation.intervals import Difference, measure_difference
from core.models.loading import LoadedBase, load_base
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset


def learn_router(run_dir: Path) -> Router:
    """Trains the router of a run and saves it there.

    Raises:
        RunError: the run has one task, or too few practice rows of one. ModelError: the base model is gone.
    """
    folder = RunFolder(run_dir)
    router = train_router(_base_of(folder), load_saved_dataset(folder.data_dir), folder.read_config().seed)
    save_router(router, folder.router_path)
    return router


def open_router(run_dir: Path) -> Router:
    """The router of a run with its base model.

    Raises:
        RunError: it has none. ModelError: the base model is gone.
    """
    folder = RunFolder(run_dir)
    require_router(folder.router_path)
    return load_router(folder.router_path, _base_of(folder))


def compare_ways(run_dir: Path, learns: bool) -> RouterReport:
    """Both ways on the exam rows of a run, and on foreign texts of the topics that neither takes for a task's own;
    `learns`: the router is trained (anew) first.

    Raises:
        RunError: no task has an exam row; as `learn_router` and `open_router`.
    """
    dataset = load_saved_dataset(RunFolder(run_dir).data_dir)
    (texts, labels), (short, same) = find_rows(dataset, "test"), few_rows(dataset, "test")
    if not texts:
        raise RunError("chat.no_exam_rows", run=run_dir.name)
    assert np.array_equal(labels, same)  # row by row the same texts, the router's shortened
    began = time.monotonic()
    router = learn_router(run_dir) if learns else open_router(run_dir)
    learned, detector = time.monotonic() - began, load_detector(run_dir)
    by_text, by_states = detector.judge(texts), router.judge(short)
    among = detector.foreign_topics & router.foreign_topics
    reports = report_on(detector, by_text, labels, among), report_on(router, by_states, labels, among)
    spent = _milliseconds(detector, texts[0]), _milliseconds(router, short[0])
    gap = _difference(by_text[0].argmax(1) == labels, by_states[0].argmax(1) == labels)
    return RouterReport(*reports, learned if learns else None, *spent, gap)


def _difference(text: NDArray[np.bool_], states: NDArray[np.bool_]) -> Difference:
    """Of the shares told right by the states and by the text, paired by exam row."""
    first, second = (np.stack([right, np.ones(len(right))], 1).astype(np.float64) for right in (text, states))
    return measure_difference(first, second, lambda sums: sums[:, 0] / sums[:, 1])


def _milliseconds(finder: Finder, text: str) -> float:
    began = time.monotonic()
    finder.judge([text])
    return 1000 * (time.monotonic() - began)


def _base_of(folder: RunFolder) -> LoadedBase:
    """As the chat loads it, so that it is asked by the numbers that it learned from."""
    return load_base(folder.read_config().base_model, *chat_device(folder.workspace_dir))

"""A finished run learns to find the task of a text by its base model's hidden states. Needs torch."""

from __future__ import annotations

import time
from pathlib import Path

from core.chat.detecting import Finder, examine_detector, examine_finder, load_detector
from core.chat.loading import chat_device
from core.chat.router import Router, few_rows, load_router, require_router, save_router, train_router
from core.chat.routing import RouterReport
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
    """Both ways on the exam rows of a run; `learns`: the router is trained (anew) first."""
    began = time.monotonic()
    router = learn_router(run_dir) if learns else open_router(run_dir)
    learned = time.monotonic() - began
    texts, labels = few_rows(load_saved_dataset(RunFolder(run_dir).data_dir), "test")
    states = examine_finder(router, texts, labels)
    text_ms, states_ms = _milliseconds(load_detector(run_dir), texts[0]), _milliseconds(router, texts[0])
    return RouterReport(examine_detector(run_dir), states, learned if learns else None, text_ms, states_ms)


def _milliseconds(finder: Finder, text: str) -> float:
    began = time.monotonic()
    finder.judge([text])
    return 1000 * (time.monotonic() - began)


def _base_of(folder: RunFolder) -> LoadedBase:
    """As the chat loads it, so that it is asked by the numbers that it learned from."""
    return load_base(folder.read_config().base_model, *chat_device(folder.workspace_dir))

"""Settings that every test shares: one thread a process, no network, the repository root, real task files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

ROOT = Path(__file__).resolve().parents[1]
SHARED_TASKS = ROOT.parent / "shared" / "data" / "tasks"


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_tasks() -> Path:
    """Real task files by domain, when they lie beside the checkout."""
    if not SHARED_TASKS.is_dir():
        pytest.skip("the real task files are not beside this checkout")
    return SHARED_TASKS

"""Settings that every test shares: one thread a process, no network, the repository root, real task files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from core.workspace import Project

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

# The same examples on every machine and day: what fails in a clean checkout failed here before. New ones are hunted
# with `python -m pytest --hypothesis-profile hunt FILE`, and what is found becomes an example.
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.register_profile("hunt", deadline=None, max_examples=5000)
settings.load_profile("same")

ROOT = Path(__file__).resolve().parents[1]
SHARED_TASKS = ROOT.parent / "shared" / "data" / "tasks"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An address in a test's name differs from process to process, and two of them then collect other tests."""
    assert not [item.nodeid for item in items if " at 0x" in item.nodeid]


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def shared_tasks() -> Path:
    """Real task files by domain, when they lie beside the checkout."""
    if not SHARED_TASKS.is_dir():
        pytest.skip("the real task files are not beside this checkout")
    return SHARED_TASKS


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of a few thousand weights with its tokenizer."""
    from tests.tiny_models import build_tiny_llama

    return build_tiny_llama(tmp_path_factory.mktemp("model") / "llama")


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import build_tiny_t5

    return build_tiny_t5(tmp_path_factory.mktemp("model") / "t5")


@pytest.fixture(scope="session")
def toy_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two small tasks in a workspace, read by many tests and changed by none."""
    from tests.toy_project import build_toy_project

    return build_toy_project(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests. Its driver keeps an event loop running in the main thread until the last test."""
    from tests.browser.driving import ARGUMENTS, CHROMIUM

    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGUMENTS)
        yield browser
        browser.close()

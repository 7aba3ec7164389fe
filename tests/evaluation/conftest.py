"""Tiny models and a toy project, built once for the tests of the exam."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.models.tiny import build_tiny_llama, build_tiny_t5
from core.workspace import Project
from tests.toy_project import build_toy_project


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_llama(tmp_path_factory.mktemp("model") / "llama")


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_t5(tmp_path_factory.mktemp("model") / "t5")


@pytest.fixture(scope="session")
def toy_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return build_toy_project(tmp_path_factory.mktemp("workspace"))

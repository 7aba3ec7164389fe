"""A project in a temporary workspace, and small task files."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.workspace import Project, Workspace


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Workspace(tmp_path / "workspace").create_project("Demo")


@pytest.fixture
def small_csv(tmp_path: Path) -> Path:
    path = tmp_path / "colours.csv"
    rows = [f"text number {i},{'red' if i % 2 else 'blue'}" for i in range(50)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def messy(shared_tasks: Path) -> Path:
    """Files of kinds that strangers have, with what is right about each, when they lie beside the checkout."""
    return shared_tasks.parent / "messy"

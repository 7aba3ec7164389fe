"""One shared page for all tests: an owner with a trained run, and what must never leave it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.tasks.store import list_tasks
from core.workspace import Project, Workspace
from tests.browser.driving import running_app
from tests.serving.conftest import make_trained_run, tiny_llama_dir
from tests.visiting import Visitor

__all__ = ["tiny_llama_dir"]
ALICE, BOB = "a" * 32, "b" * 32
SECRET = "zebra-ledger"  # in Alice's project name, rows and run


@dataclass(frozen=True)
class SharedPage:
    """A running app with --shared, and the ids of Alice's things."""

    address: str
    workspace: Workspace
    project: Project
    task_id: str
    run_id: str

    @property
    def ids(self) -> list[str]:
        return [self.project.project_id, self.task_id, self.run_id]

    def visit(self, owner: str) -> Visitor:
        """A browser that has been here before as this owner, and has seen every screen."""
        visitor = Visitor(self.address)
        prefs = next(c["id"] for c in visitor.components.values() if c["type"] == "browserstate")
        visitor.values[prefs] = {"owner": owner, "language": "en"}
        return visitor.open().look_at_all()

    def state(self) -> dict[str, bytes]:
        """Every file of Alice's project."""
        files = sorted(p for p in self.project.path.rglob("*") if p.is_file())
        return {str(p.relative_to(self.project.path)): p.read_bytes() for p in files}


@pytest.fixture(scope="session")
def shared_page(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> Iterator[SharedPage]:
    with make_page(tmp_path_factory.mktemp("shared"), tiny_llama_dir) as page:
        yield page


@contextmanager
def make_page(root: Path, model_dir: Path, *more: str) -> Iterator[SharedPage]:
    """The page over a new workspace in `root`; `more` arguments of app.py."""
    run_dir = make_trained_run(root, model_dir)
    workspace = Workspace(root)
    project = workspace.get_project("Desk")
    record = json.loads((project.path / "project.json").read_text(encoding="utf-8"))
    (project.path / "project.json").write_text(json.dumps({**record, "name": SECRET}), encoding="utf-8")
    project = workspace.give_project(workspace.get_project(SECRET), ALICE)
    run = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    (run_dir / "run.json").write_text(json.dumps({**run, "name": f"{SECRET} run"}), encoding="utf-8")
    workspace.create_project(f"{SECRET} of the machine", "local")
    with running_app(root, "--shared", *more) as address:
        yield SharedPage(address, workspace, project, list_tasks(project)[0].task_id, run_dir.name)

"""The sample project: five small real tasks that come with the program."""

from __future__ import annotations

from pathlib import Path

from core.tasks.changing.domain import add_domain
from core.tasks.spec import TaskSpec
from core.workspace import Project

SAMPLE_DIR = Path(__file__).resolve().parents[3] / "assets" / "sample"


def load_sample(project: Project) -> list[TaskSpec]:
    """Adds the sample tasks to a project: all of them or none.

    Raises:
        TaskFileError: the sample files are missing from this installation.
        WorkspaceError: a task of that name is already there.
    """
    return add_domain(project, SAMPLE_DIR)

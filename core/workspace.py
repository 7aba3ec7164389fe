"""Where projects, tasks and runs live.

    <workspace>/projects/<project id>/project.json        name, owner, creation time
                                     /tasks/<task id>/     one folder a task (owned by core/tasks)
                                     /runs/<run id>/       one folder a run (owned by core/runs)

Names that users give are labels inside the JSON; folders are generated ids.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.base.errors import WorkspaceError
from core.base.files import inside, new_id, read_json, require_id, write_json_atomic

LOCAL_OWNER = "local"


def default_workspace_dir() -> Path:
    """TASKLOOM_HOME, else ~/.taskloom."""
    return Path(os.environ.get("TASKLOOM_HOME") or Path.home() / ".taskloom").expanduser()


@dataclass(frozen=True)
class Project:
    """One project of tasks. `path` is its folder; `created` is seconds since 1970."""

    project_id: str
    name: str
    owner: str
    created: float
    path: Path

    @property
    def tasks_dir(self) -> Path:
        return self.path / "tasks"

    @property
    def runs_dir(self) -> Path:
        return self.path / "runs"


class Workspace:
    """The root folder; finds, creates and deletes projects.

    Raises:
        WorkspaceError: a folder cannot be written, a name is taken or unknown.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root).expanduser() if root else default_workspace_dir()
        self.projects_dir = self.root / "projects"
        try:
            if not self.root.exists():  # other accounts of this machine have no business in it
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.projects_dir.mkdir(exist_ok=True)
        except OSError as error:
            raise WorkspaceError("workspace.read_only", path=str(self.root), detail=error.strerror or "") from error

    def create_project(self, name: str, owner: str = LOCAL_OWNER) -> Project:
        label = require_label(name)
        if any(p.name == label for p in self.list_projects(owner)):
            raise WorkspaceError("workspace.project_exists", name=label)
        project_id = new_id("p")
        path = inside(self.projects_dir, project_id)
        try:
            (path / "tasks").mkdir(parents=True)
            (path / "runs").mkdir()
        except OSError as error:
            raise WorkspaceError("workspace.read_only", path=str(path), detail=error.strerror or "") from error
        project = Project(project_id, label, owner, time.time(), path)
        _write(project)
        return project

    def give_project(self, project: Project, owner: str) -> Project:
        """Makes a project another owner's; a name that the new owner has already gets a number."""
        taken = {p.name for p in self.list_projects(owner)}
        name, number = project.name, 2
        while name in taken:
            name, number = f"{project.name[:75]} {number}", number + 1
        given = replace(project, name=name, owner=owner)
        _write(given)
        return given

    def list_projects(self, owner: str | None = None) -> list[Project]:
        """Projects from old to new; of one owner, or of all when owner is None."""
        found = [self._read(p.parent) for p in sorted(self.projects_dir.glob("*/project.json"))]
        return [p for p in found if owner is None or p.owner == owner]

    def get_project(self, name_or_id: str, owner: str | None = None) -> Project:
        projects = self.list_projects(owner)
        for project in projects:
            if name_or_id in (project.project_id, project.name):
                return project
        known = ", ".join(p.name for p in projects) or "(none yet)"
        raise WorkspaceError("workspace.no_project", name=name_or_id, known=known)

    def delete_project(self, project: Project) -> None:
        """Removes the project with its tasks, runs and files. The caller has stopped its runs."""
        shutil.rmtree(inside(self.projects_dir, require_id(project.project_id)))

    def find_run_dir(self, run_id: str, owner: str | None = None) -> Path:
        """The folder of a run, whichever project it belongs to; a unique beginning of the id is enough."""
        require_id(run_id)
        hits = [run for p in self.list_projects(owner) for run in p.runs_dir.glob(f"{run_id}*") if run.is_dir()]
        exact = [run for run in hits if run.name == run_id]
        if len(exact) == 1 or len(hits) == 1:
            return (exact or hits)[0]
        raise WorkspaceError("workspace.no_run", name=run_id)

    def project_of_run(self, run_dir: Path) -> Project:
        return self._read(run_dir.parent.parent)

    def _read(self, path: Path) -> Project:
        record = read_json(path / "project.json")
        return Project(record["project_id"], record["name"], record["owner"], record["created"], path)


def _write(project: Project) -> None:
    record = {k: v for k, v in asdict(project).items() if k != "path"}
    write_json_atomic(project.path / "project.json", record)


def require_label(name: str) -> str:
    """A name as a user types it: 1 to 80 printable characters."""
    label = name.strip()
    if not 1 <= len(label) <= 80 or not label.isprintable():
        raise WorkspaceError("workspace.bad_name", name=name[:100])
    return label

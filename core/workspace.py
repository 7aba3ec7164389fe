"""Where projects, tasks and runs live.

    <workspace>/projects/<project id>/project.json        name, owner, creation time; project.copy.json the same
                                     /tasks/<task id>/     one folder a task (owned by core/tasks)
                                     /runs/<run id>/       one folder a run (owned by core/runs)

Names that users give are labels inside the JSON; folders are generated ids.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.base.errors import WorkspaceError
from core.base.files import inside, naming, new_id, read_json, require_id, write_json_atomic
from core.base.folders import remove_folder

LOCAL_OWNER = "local"
RECORD, COPY = "project.json", "project.copy.json"


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

    def run_dir(self, run_id: str) -> Path | None:
        """The folder of a run of this project; None when it has no such run."""
        try:
            path = self.runs_dir / require_id(run_id)
        except WorkspaceError:
            return None
        return path if path.is_dir() else None


@dataclass(frozen=True)
class DamagedProject:
    """A folder whose project.json and its copy cannot be read, and why."""

    path: Path
    error: WorkspaceError


class Workspace:
    """The root folder; finds, creates and deletes projects.

    Raises:
        WorkspaceError: a folder cannot be written, a name is taken or unknown.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root).expanduser() if root else default_workspace_dir()
        self.projects_dir = self.root / "projects"
        self._known: dict[str, tuple[tuple[int, int, int], Project]] = {}  # with the stamp of the record
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
        """Projects from old to new; of one owner, or of all when owner is None. Those that cannot be read are
        `list_damaged_projects`'s."""
        found = self._read_all()
        return [p for p in found if isinstance(p, Project) and owner in (None, p.owner)]

    def list_damaged_projects(self) -> list[DamagedProject]:
        """Whose they are cannot be told."""
        return [p for p in self._read_all() if isinstance(p, DamagedProject)]

    def find_project(self, project_id: str, owner: str | None = None) -> Project | None:
        """The project of this id, found without a look at the others; None when this owner has no such."""
        try:
            found = self._look(inside(self.projects_dir, require_id(project_id)))
        except WorkspaceError:
            return None
        return found if isinstance(found, Project) and owner in (None, found.owner) else None

    def get_project(self, name_or_id: str, owner: str | None = None) -> Project:
        projects = self.list_projects(owner)
        for project in projects:
            if name_or_id in (project.project_id, project.name):
                return project
        known = ", ".join(p.name for p in projects) or "(none yet)"
        raise WorkspaceError("workspace.no_project", name=name_or_id, known=known)

    def repair_project(self, project_id: str, name: str = "", owner: str = LOCAL_OWNER) -> Project:
        """Writes a new project.json in place of a damaged one. Tasks and runs stay; the name has to be given anew
        (else it is the id).

        Raises:
            WorkspaceError: no damaged project has this id.
        """
        for broken in self.list_damaged_projects():
            if broken.path.name == project_id:
                project = Project(project_id, require_label(name or project_id), owner, time.time(), broken.path)
                for folder in (project.tasks_dir, project.runs_dir):
                    folder.mkdir(exist_ok=True)
                _write(project)
                return project
        known = ", ".join(p.path.name for p in self.list_damaged_projects()) or "(none)"
        raise WorkspaceError("workspace.no_project", name=project_id, known=known)

    def delete_project(self, project: Project) -> None:
        """Removes the project with its tasks, runs and files. The caller has stopped its runs."""
        remove_folder(inside(self.projects_dir, require_id(project.project_id)))

    def find_run_dir(self, run_id: str, owner: str | None = None) -> Path:
        """The folder of a run, whichever project it belongs to; a unique beginning of the id is enough."""
        require_id(run_id)
        projects = self.list_projects(owner)
        exact = [path for p in projects if (path := p.runs_dir / run_id).is_dir()]
        if len(exact) == 1:
            return exact[0]
        hits = [run for p in projects for run in p.runs_dir.glob(f"{run_id}*") if run.is_dir()]
        if len(hits) == 1:
            return hits[0]
        raise WorkspaceError("workspace.no_run", name=run_id)

    def project_of_run(self, run_dir: Path) -> Project:
        """
        Raises:
            WorkspaceError: the project cannot be read.
        """
        found = self._look(run_dir.parent.parent)
        if isinstance(found, Project):
            return found
        raise found.error if found else WorkspaceError("workspace.no_run", name=run_dir.name)

    def write_copies(self) -> None:
        """The second copy of every project's record, where there is none: older versions wrote one only."""
        for project in self.list_projects():
            if not (project.path / COPY).exists():
                with contextlib.suppress(WorkspaceError):  # where nothing can be written nothing is lost either
                    _write(project)

    def _read_all(self) -> list[Project | DamagedProject]:
        """From old to new. Plain strings and remembered records: a page asks after every click, of hundreds."""
        with os.scandir(self.projects_dir) as entries:
            # Systems leave files of their own anywhere: desktop.ini, Thumbs.db.
            names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
        looked = (self._look(self.projects_dir / name) for name in names)
        return [project for project in looked if project is not None]

    def _look(self, path: Path) -> Project | DamagedProject | None:
        """None where no project is (any more)."""
        stamp, known = _stamp(f"{path}/{RECORD}"), self._known.get(path.name)
        if known is not None and known[0] == stamp and known[1].path == path:
            return known[1]
        try:
            project = _read(path)
        except FileNotFoundError:
            return None
        except WorkspaceError as error:
            return DamagedProject(path, error)
        if stamp is not None:
            self._known[path.name] = (stamp, project)
        return project


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)  # noqa: PTH116  a Path object would cost more than the call
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> Project:
    """From the record, or from its copy when that is damaged or gone; the copy takes its place then.

    Raises:
        WorkspaceError: both are damaged. FileNotFoundError: there is no project.
    """
    try:
        return _from(path / RECORD)
    except (FileNotFoundError, WorkspaceError):
        with contextlib.suppress(FileNotFoundError, WorkspaceError):
            project = _from(path / COPY)
            with contextlib.suppress(WorkspaceError):
                _write(project)
            return project
        raise


def _from(file: Path) -> Project:
    record = read_json(file)
    with naming(file):
        name, owner = record["name"], record["owner"]
        if not isinstance(name, str) or not isinstance(owner, str):
            raise ValueError(f"{name}, {owner}"[:200])
        return Project(file.parent.name, name, owner, float(record["created"]), file.parent)


def _write(project: Project) -> None:
    record = {k: v for k, v in asdict(project).items() if k != "path"}
    for name in (RECORD, COPY):
        write_json_atomic(project.path / name, record)


def require_label(name: str) -> str:
    """A name as a user types it: 1 to 80 printable characters."""
    label = name.strip()
    if not label:
        raise WorkspaceError("workspace.no_name")
    if len(label) > 80 or not label.isprintable():
        raise WorkspaceError("workspace.bad_name", name=name[:100])
    return label

"""A whole project as one file: its tasks with all rows and versions, and the settings of its runs. No weights.

A pack is a zip of JSON, JSON lines and YAML. Import trusts nothing in it: names, sizes and every task are checked,
and the project appears only when all of it is good.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO

from core.base.errors import TaskFileError, TaskloomError
from core.base.files import inside
from core.base.folders import undone_on_error
from core.tasks.changing.isolation import ask_pack
from core.tasks.changing.staging import free_name
from core.tasks.spec import read_spec
from core.tasks.store import PROBLEMS, list_tasks, not_writable, read_rows, task_dir
from core.workspace import Project, Workspace

FORMAT = "taskloom-project-1"
MAX_PACK_BYTES = 4 << 30
MAX_ENTRIES = 20_000
_MANIFEST = "pack.json"
# Of files that the page reads whole later; rows are read line by line.
_MOST_BYTES = {
    _MANIFEST: 4 << 20,
    "task.json": 16 << 20,
    PROBLEMS: 64 << 20,
    "change.json": 1 << 20,
    "settings": 1 << 20,
}
_ALLOWED = re.compile(
    r"pack\.json|tasks/[A-Za-z0-9][A-Za-z0-9._-]{0,79}/(versions/\d{4}/)?"
    r"(task\.json|problems\.json|change\.json|(train|validation|test)\.jsonl)|settings/[A-Za-z0-9._-]{1,80}\.yaml"
)


def export_project(project: Project, path: Path | str) -> Path:
    """Writes the pack of a project.

    Raises:
        WorkspaceError: the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as pack:
            _write_entries(project, pack)
        temporary.replace(path)
    except OSError as error:
        raise not_writable(path.parent, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _write_entries(project: Project, pack: zipfile.ZipFile) -> None:
    names = [spec.name for spec in list_tasks(project)]
    manifest = {"format": FORMAT, "name": project.name, "tasks": names}
    pack.writestr(_MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
    for spec in list_tasks(project):
        folder = task_dir(project, spec.task_id)
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = f"tasks/{spec.task_id}/{file.relative_to(folder).as_posix()}"
            if _ALLOWED.fullmatch(name):
                pack.write(file, name)
    for config in sorted(project.runs_dir.glob("*/config.yaml")):
        pack.write(config, f"settings/{config.parent.name}.yaml")


def import_project(workspace: Workspace, path: Path | str, owner: str, name: str | None = None) -> Project:
    """A new project from a pack; its name gets a number when it is taken. The pack is opened, unpacked and checked
    in a limited child process only.

    Raises:
        TaskFileError: not a pack, an entry that does not belong, too large, damaged tasks.
    """
    path = Path(path)
    label = name or ask_pack(path, None)["label"]
    taken = frozenset(p.name for p in workspace.list_projects(owner))
    project = workspace.create_project(free_name(label, taken), owner)
    with undone_on_error(lambda: workspace.delete_project(project)):
        ask_pack(path, project)
    return project


def pack_label(path: Path) -> str:
    """The name of the project in a pack, whose entries are checked by name and size.

    Raises:
        TaskFileError: as `import_project`.
    """
    with _open(path) as pack:
        return _require_entries(pack, path.name)


def unpack_project(path: Path, project: Project) -> None:
    """All entries of a pack into a project's folder, every task loaded once.

    Raises:
        TaskFileError: as `import_project`; what was unpacked stays for the caller to remove.
    """
    with _open(path) as pack:
        _require_entries(pack, path.name)
        _unpack(pack, project)
    _require_readable(project, path.name)


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise TaskFileError("pack.not_a_pack", file=path.name, detail=str(error)) from error


def _require_entries(pack: zipfile.ZipFile, file: str) -> str:
    """Checks names and sizes; returns the project's name."""
    entries = pack.infolist()
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        if not _ALLOWED.fullmatch(entry.filename) or ".." in parts or entry.flag_bits & 1:
            raise TaskFileError("pack.unsafe", file=file, name=entry.filename[:100])
        bound = _MOST_BYTES.get(parts[-1], _MOST_BYTES["settings"] if parts[0] == "settings" else MAX_PACK_BYTES)
        if entry.file_size > bound:
            raise TaskFileError("pack.too_large", file=f"{file}: {entry.filename[:100]}", bound=bound >> 20)
    if len(entries) > MAX_ENTRIES or sum(e.file_size for e in entries) > MAX_PACK_BYTES:
        raise TaskFileError("pack.too_large", file=file, bound=MAX_PACK_BYTES >> 20)
    try:
        manifest = json.loads(pack.read(_MANIFEST))
        if manifest["format"] != FORMAT:
            raise TaskFileError("pack.not_a_pack", file=file, detail=str(manifest["format"])[:80])
        return str(manifest["name"])
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise TaskFileError("pack.not_a_pack", file=file, detail=str(error)[:80]) from error


def _unpack(pack: zipfile.ZipFile, project: Project) -> None:
    for entry in pack.infolist():
        if entry.filename == _MANIFEST:
            continue
        target = inside(project.path, *PurePosixPath(entry.filename).parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with pack.open(entry) as source, open(target, "wb") as file:
            shutil.copyfileobj(_Bounded(source, entry.file_size), file)


class _Bounded:
    """Stops an entry that unpacks to more than it says."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source, self._left = source, size

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(min(size, 1 << 20) if size > 0 else 1 << 20)
        self._left -= len(data)
        if self._left < 0:
            raise TaskFileError("pack.too_large", file="pack", bound=MAX_PACK_BYTES >> 20)
        return data


def _require_readable(project: Project, file: str) -> None:
    """Every task must load: description and all rows."""
    try:
        for folder in sorted(p for p in project.tasks_dir.iterdir() if p.is_dir()):
            spec = read_spec(folder)
            if spec.task_id != folder.name:
                raise TaskFileError("pack.not_a_pack", file=file, detail=f"task id {spec.task_id!r}"[:80])
            for split in spec.num_examples:
                for _ in read_rows(folder, split):
                    pass
    except (KeyError, TypeError, AttributeError) as error:
        raise TaskFileError("pack.not_a_pack", file=file, detail=str(error)[:80]) from error
    except TaskFileError:
        raise
    except TaskloomError as error:
        raise TaskFileError("pack.not_a_pack", file=file, detail=error.message[:120]) from error

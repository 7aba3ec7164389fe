"""Copies of closed files in a second folder, such as a storage bucket mounted into a Space, and the way back.

A mounted bucket uploads a file when it is closed, may refuse to rename or rewrite one, and keeps no lock alive. So
work goes on in the workspace on the local disk, and what is finished is copied once:

    <bucket>/taskloom/<unit>/<stamp>/...       the files of a unit as they were at a time
                                    /COPIED    sizes and SHA-256 of all files; written last: without it no copy
    <bucket>/taskloom/deleted/<project id>     a project that must not come back

Units are a project's record, a task, its rows to annotate next, a run that has ended, and of a run at work what is
needed to resume it (settings, tasks, status, newest checkpoint). SQLite, locks, logs and open event files are never
copied.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import WorkspaceError
from core.base.files import hash_file, inside
from core.runs.folder import RunFolder
from core.training.manifest import list_checkpoints

COPIED, DELETED = "COPIED", "deleted"
_TRIES = 5  # copies that are replaced by newer ones while they are brought


@dataclass(frozen=True)
class Unit:
    """Files that are copied together. `name` is a path below the copy, `target` one below the workspace, where the
    files lie unless they lie in `base`."""

    name: str
    target: str
    files: tuple[Path, ...]
    base: Path | None = None

    def stamp(self) -> str:
        """Changes with any file of the unit, and grows."""
        return f"{max(f.stat().st_mtime_ns for f in self.files):020d}-{len(self.files)}"


class BucketCopy:
    """One workspace and the folder that outlives it.

    Raises:
        WorkspaceError: the folder cannot be written.
    """

    def __init__(self, workspace_dir: Path, bucket: Path) -> None:
        self.workspace_dir = workspace_dir.resolve()
        self.root = bucket / "taskloom"
        self._seen: set[str] = set()
        self._brought: dict[str, str] = {}  # unit -> the stamp that was brought last
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError("mirror.no_folder", path=str(bucket), detail=error.strerror or "") from error

    def copy_closed(self) -> list[str]:
        """Copies every unit that has changed and removes the copies of those deleted since the last call; -> names
        of the copied ones. A file that vanishes meanwhile waits for the next time."""
        units = list(self.units())
        self._forget(self._seen - {unit.name for unit in units})
        self._seen = {unit.name for unit in units}
        copied = []
        for unit in units:
            try:
                # The stamp is in the folder's name: looking costs a listing and no read of a mounted bucket.
                if self._newest(unit.name) != unit.stamp():
                    self._copy(unit)
                    copied.append(unit.name)
            except FileNotFoundError:
                continue
            except OSError as error:
                detail = error.strerror or str(error)
                raise WorkspaceError("mirror.no_folder", path=str(self.root), detail=detail) from error
        return copied

    def send(self, unit: Unit) -> bool:
        """Copies one unit when it has changed; -> whether it lies there as it is now.

        Raises:
            OSError: the folder cannot be written.
        """
        try:
            if self._newest(unit.name) != unit.stamp():
                self._copy(unit)
        except FileNotFoundError:  # replaced meanwhile: the next time
            return False
        return True

    def bring(self, name: str) -> bool:
        """Brings the newest whole copy of one unit over what lies here, once; whether there is one. What
        marks an end comes last."""
        newest = self._newest(name)
        if not newest or self._brought.get(name) == newest:
            return bool(newest)
        for _ in range(_TRIES):
            source = self._newest_whole(name)
            if source is None:
                return False
            try:
                self._bring_from(source)
            except FileNotFoundError:  # a newer copy has taken its place meanwhile
                continue
            self._brought[name] = source.name
            return True
        return False

    def remove(self, name: str) -> None:
        """Removes the copies of a unit, and of those below it."""
        shutil.rmtree(self.root / name, ignore_errors=True)

    def restore(self) -> list[str]:
        """Brings back every unit that the workspace lacks; -> their names. Copies that are not whole are passed
        over."""
        restored = []
        for name in sorted({str(p.parent.parent.relative_to(self.root)) for p in self.root.rglob(COPIED)}):
            is_passing = self._is_deleted(name) or name.startswith("jobs/")  # of engines, see bucket_job.py
            source = None if is_passing else self._newest_whole(name)
            if source is not None and self._put_back(source):
                restored.append(name)
        return restored

    def units(self) -> Iterator[Unit]:
        """Everything in the workspace that is closed now."""
        key = self.workspace_dir / "browser.key"
        if key.is_file():
            yield Unit("browser", ".", (key,))
        quotas = tuple(sorted((self.workspace_dir / "quota").glob("*.jsonl")))
        if quotas:
            yield Unit("quota", "quota", quotas)
        for record in sorted((self.workspace_dir / "projects").glob("*/project.json")):
            yield from self._of_project(record)

    def _of_project(self, record: Path) -> Iterator[Unit]:
        project = record.parent
        name, target = f"projects/{project.name}", f"projects/{project.name}"
        yield Unit(f"{name}/record", target, (record,))
        for task in sorted(project.glob("tasks/*/task.json")):
            if not task.parent.name.startswith("."):
                yield Unit(
                    f"{name}/{task.parent.name}", f"{target}/tasks/{task.parent.name}", closed_files(task.parent)
                )
        for queue in sorted(project.glob("annotation/[!.]*.json")):
            yield Unit(f"{name}/annotation/{queue.stem}", f"{target}/annotation", (queue,))
        for path in sorted(project.glob("runs/*/run.json")):
            folder = RunFolder(path.parent)
            if path.parent.name.startswith("."):
                continue
            files = ended_files(folder) if folder.done_path.exists() else _of_open_run(folder)
            yield Unit(f"{name}/{folder.run_id}", f"{target}/runs/{folder.run_id}", files)

    def _copy(self, unit: Unit) -> None:
        stamp = unit.stamp()
        place = self.root / unit.name / stamp
        place.mkdir(parents=True, exist_ok=True)
        base = unit.base or self.workspace_dir / unit.target
        listed = {}
        for file in unit.files:
            name = str(file.relative_to(base))
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place / name)
            listed[name] = {"size": (place / name).stat().st_size, "sha256": hash_file(place / name)}
        # Sums of the files as they arrived; `_is_whole` compares them before anything is put back.
        (place / COPIED).write_text(json.dumps({"target": unit.target, "files": listed}), encoding="utf-8")
        # After COPIED is written: until then the older copy is the only whole one.
        for older in (self.root / unit.name).iterdir():
            if older.is_dir() and older.name != stamp and older.name[:1].isdigit():
                shutil.rmtree(older, ignore_errors=True)

    def _bring_from(self, source: Path) -> None:
        record = json.loads((source / COPIED).read_text(encoding="utf-8"))
        target = inside(self.workspace_dir, record["target"])
        for file in sorted(record["files"], key=lambda file: file == RunFolder(target).done_path.name):
            place = inside(target, file)
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}.brought")
            try:
                shutil.copyfile(source / file, beside)
                beside.replace(place)
            finally:
                beside.unlink(missing_ok=True)

    def _forget(self, names: set[str]) -> None:
        """Only what this process has seen and then missed was deleted; an empty workspace means a new disk. Where
        the bucket refuses to delete, the note keeps a project from coming back."""
        for name in names:
            if name.endswith("/record"):
                note = self.root / DELETED / name.split("/")[1]
                note.parent.mkdir(exist_ok=True)
                note.write_text("", encoding="ascii")
                shutil.rmtree((self.root / name).parent, ignore_errors=True)
            shutil.rmtree(self.root / name, ignore_errors=True)

    def _is_deleted(self, name: str) -> bool:
        parts = name.split("/")
        return len(parts) > 1 and (self.root / DELETED / parts[1]).exists()

    def _newest(self, name: str) -> str:
        return max((p.parent.name for p in (self.root / name).glob(f"*/{COPIED}")), default="")

    def _newest_whole(self, name: str) -> Path | None:
        stamps = sorted((p.parent for p in (self.root / name).glob(f"*/{COPIED}")), reverse=True)
        return next((folder for folder in stamps if _is_whole(folder)), None)

    def _put_back(self, source: Path) -> bool:
        """False when everything is there already; files of the workspace are never overwritten."""
        record = json.loads((source / COPIED).read_text(encoding="utf-8"))
        target = inside(self.workspace_dir, record["target"])
        # What lies in the workspace is newer than any copy, or is the same.
        missing = [name for name in record["files"] if not inside(target, name).exists()]
        for name in missing:
            place = inside(target, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, place)
        if target.parent.name == "projects":
            (target / "tasks").mkdir(exist_ok=True)
            (target / "runs").mkdir(exist_ok=True)
        return bool(missing)


def closed_files(folder: Path) -> tuple[Path, ...]:
    """All files of a folder but hidden ones."""
    found = (p for p in folder.rglob("*") if p.is_file())
    return tuple(sorted(p for p in found if not any(n.startswith(".") for n in p.relative_to(folder).parts)))


def ended_files(folder: RunFolder) -> tuple[Path, ...]:
    """All files of a run that has ended but what only its worker needed; its event file is closed by now."""
    passing = {path.name for path in folder.worker_paths}
    kept = (p for p in closed_files(folder.path) if not p.is_relative_to(folder.checkpoints_dir))
    return tuple(p for p in kept if p.name not in passing)


def _of_open_run(folder: RunFolder) -> tuple[Path, ...]:
    """What a run needs to be resumed elsewhere."""
    files = [p for p in (folder.config_path, folder.run_path, folder.status_path) if p.is_file()]
    checkpoints = list_checkpoints(folder.checkpoints_dir)
    kept = (*closed_files(folder.data_dir), *closed_files(folder.frozen_dir))
    return (*files, *kept, *(closed_files(checkpoints[0]) if checkpoints else ()))


def _is_whole(folder: Path) -> bool:
    try:
        listed = json.loads((folder / COPIED).read_text(encoding="utf-8"))["files"]
        return all(
            (folder / name).stat().st_size == entry["size"] and hash_file(folder / name) == entry["sha256"]
            for name, entry in listed.items()
        )
    except (OSError, ValueError, KeyError):
        return False

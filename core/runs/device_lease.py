"""One heavy job at a time on a device: training, evaluation and chat share it through a lease.

A lease is a lock file in the workspace that the kernel frees on any death, with a note that names the holder.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from core.base.errors import RunError, WorkspaceError
from core.base.files import write_json_atomic
from core.runs.folder import RunFolder
from core.runs.lock import is_locked, try_lock
from core.workspace import LOCAL_OWNER, Project, Workspace


def lease_device(wanted: str) -> str:
    """The device a config's `device` setting will use, found without importing torch."""
    if wanted != "auto":
        return wanted
    if os.environ.get("SPACES_ZERO_GPU"):  # see core/runs/launchers.py
        return "cpu"
    has_card = Path("/dev/nvidiactl").exists() and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")
    return "cuda" if has_card else "cpu"


class DeviceLease:
    """The lease of one device. Use `try_acquire` ... `release`, or `with`, which raises when it is taken."""

    def __init__(self, workspace_dir: Path, device: str, purpose: str, name: str, label: str = "") -> None:
        """`name` is an id, `label` what a person calls the holder."""
        self._dir = workspace_dir / "leases"
        self._device = device
        self._note: dict[str, Any] = {"purpose": purpose, "name": name, "label": label or name, "pid": os.getpid()}
        self._descriptor: int | None = None
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError("workspace.read_only", path=str(self._dir), detail=error.strerror or "") from error

    def try_acquire(self, wait_s: float = 0.05) -> bool:
        """Takes the device; False when it stayed taken for `wait_s` seconds."""
        if self._descriptor is None:
            self._descriptor = try_lock(self._dir / f"{self._device}.lock", wait_s)
        if self._descriptor is None:
            return False
        write_json_atomic(self._dir / f"{self._device}.json", {**self._note, "since": time.time()})
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> DeviceLease:
        if not self.try_acquire():
            workspace_dir = self._dir.parent
            owner = _owner_of_run(workspace_dir, self._note["name"])
            holder = _as_seen_by(owner, workspace_dir, self._device) or {}
            raise RunError("run.device_taken", device=self._device, **holder_values(holder))
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder_for(project: Project, device: str) -> dict[str, Any] | None:
    """`lease_holder` as a project's owner may read it: on a shared page others' runs have no name ("")."""
    return _as_seen_by(project.owner, project.path.parents[1], device)


def _as_seen_by(owner: str, workspace_dir: Path, device: str) -> dict[str, Any] | None:
    holder = lease_holder(workspace_dir, device)
    if holder is None or owner == LOCAL_OWNER:
        return holder
    try:
        Workspace(workspace_dir).find_run_dir(str(holder.get("name", "")), owner)
    except WorkspaceError:
        return {**holder, "name": "", "label": ""}
    return holder


def _owner_of_run(workspace_dir: Path, run_id: str) -> str:
    try:
        workspace = Workspace(workspace_dir)
        return workspace.project_of_run(workspace.find_run_dir(run_id)).owner
    except WorkspaceError:  # not a run, or one outside the workspace
        return LOCAL_OWNER


def lease_holder(workspace_dir: Path, device: str) -> dict[str, Any] | None:
    """Who holds a device: {purpose: training | evaluation | chat, name, label, pid, since}, or None."""
    folder = workspace_dir / "leases"
    if not is_locked(folder / f"{device}.lock"):
        return None
    try:
        return dict(json.loads((folder / f"{device}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {"purpose": "?", "name": "?"}


def forget_holders(workspace_dir: Path, names: set[str]) -> None:
    """Removes the notes that these left on devices: a note outlives its lease, and holds the name of a run."""
    for note in (workspace_dir / "leases").glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if (
                not is_locked(note.with_suffix(".lock"))
                and dict(json.loads(note.read_bytes())).get("name") in names
            ):
                note.unlink()


def run_lease(folder: RunFolder, purpose: str) -> DeviceLease:
    """The lease of the device that a run's settings ask for, in the run's name."""
    device, label = lease_device(folder.read_config().device), folder.read_run().get("name", "")
    return DeviceLease(folder.workspace_dir, device, purpose, folder.run_id, label)


def holder_values(holder: dict[str, Any]) -> dict[str, str]:
    """The values of a message that names a holder."""
    return {"purpose": holder.get("purpose", "?"), "name": holder.get("label") or holder.get("name", "?")}

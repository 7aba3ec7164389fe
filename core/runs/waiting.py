"""Who waits for a device, as the run folders tell it: what the queue's database is made from when it is lost."""

from __future__ import annotations

import contextlib
from pathlib import Path

from core.base.errors import TaskloomError
from core.runs.device_lease import lease_device
from core.runs.folder import RunFolder
from core.runs.states import QUEUED


def find_waiting(workspace_dir: Path) -> list[tuple[Path, str]]:
    """(folder, device) of all runs whose worker waits, first made first."""
    found: list[tuple[float, Path, str]] = []
    for path in (workspace_dir / "projects").glob("*/runs/*/worker.lock"):
        folder = RunFolder(path.parent)
        with contextlib.suppress(OSError, TaskloomError):  # a damaged run waits for nothing
            if not folder.done_path.exists() and folder.is_alive() and folder.read_status().state == QUEUED:
                device = lease_device(folder.read_config().device)
                found.append((folder.read_status().created or 0.0, folder.path, device))
    return [(path, device) for _, path, device in sorted(found)]

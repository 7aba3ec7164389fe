"""The queue as a person sees it: who works on a device, who waits for it, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.base.errors import RunError
from core.runs.device_lease import holder_for, holder_values
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.queue_db import RunQueue
from core.runs.states import QUEUED
from core.workspace import Workspace


@dataclass(frozen=True)
class Waiting:
    """One waiting run. `place` 1 starts next on its device; `holder` is {purpose, name} of who works there now."""

    run_id: str
    name: str
    project_id: str
    device: str
    place: int
    holder: dict[str, str] | None
    path: Path


def list_queue(workspace_dir: Path, project_ids: set[str] | None = None) -> list[Waiting]:
    """All waiting runs by device and place; of these projects only, whose places count all the same."""
    queue = RunQueue(workspace_dir)
    found: list[Waiting] = []
    places: dict[str, int] = {}
    for path, device in queue.waiting_with_device():
        folder = RunFolder(path)
        if not folder.run_path.exists() or run_state(folder).state != QUEUED:
            continue  # its worker is about to begin, or is gone
        places[device] = places.get(device, 0) + 1
        project_id = path.parents[1].name
        if project_ids is None or project_id in project_ids:
            holder = holder_for(Workspace(workspace_dir).project_of_run(path), device)
            named = holder_values(holder) if holder else None
            run = folder.read_run()
            found.append(Waiting(path.name, run["name"], project_id, device, places[device], named, path))
    return found


def move_run(folder: RunFolder, place: int) -> None:
    """Gives a waiting run another place; 1 starts next.

    Raises:
        RunError: the run does not wait.
    """
    if run_state(folder).state != QUEUED:
        raise RunError("run.not_queued", name=folder.run_id)
    RunQueue(folder.workspace_dir).move(folder.run_id, place)

"""One heavy job at a time on a device: training, evaluation and chat share it through a lease.

A lease is a lock file in the workspace that the kernel frees on any death, with a note that names the holder. The
processor is one device, and each graphics card is one: "cuda" asks for any that is free, "cuda:0" for that card.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from core.base.cards import count_cards
from core.base.errors import RunError, WorkspaceError
from core.base.files import write_json_atomic
from core.runs.folder import RunFolder
from core.runs.lock import is_locked, try_lock
from core.workspace import LOCAL_OWNER, Project, Workspace

CARD = "cuda"


def lease_device(wanted: str) -> str:
    """The device a config's `device` setting will use, found without importing torch."""
    if wanted != "auto":
        return wanted
    return CARD if count_cards() else "cpu"


def _cards_of(device: str) -> list[int]:
    """Numbers of the cards that may serve, the last one first: a chat answers on the first."""
    if device.startswith(f"{CARD}:"):
        return [int(device.partition(":")[2])]
    return list(reversed(range(max(1, count_cards()))))


def _lock_name(card: int) -> str:
    return f"{CARD}-{card}" if card else CARD


class DeviceLease:
    """The lease of one device, or of several cards at once. Use `try_acquire` ... `release`, or `with`, which
    raises when it is taken. `cards`: those that are held."""

    def __init__(
        self, workspace_dir: Path, device: str, purpose: str, name: str, label: str = "", num_cards: int = 1
    ) -> None:
        """`name` is an id, `label` what a person calls the holder."""
        self._dir = workspace_dir / "leases"
        self._device = device
        self._note: dict[str, Any] = {"purpose": purpose, "name": name, "label": label or name, "pid": os.getpid()}
        self._num_cards = min(num_cards, len(_cards_of(device))) if device.startswith(CARD) else 1
        self._held: dict[str, int] = {}  # name of a lock -> its descriptor
        self.cards: tuple[int, ...] = ()
        try:
            self._dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError("workspace.read_only", path=str(self._dir), detail=error.strerror or "") from error

    def try_acquire(self, wait_s: float = 0.05) -> bool:
        """Takes the device; False when it stayed taken for `wait_s` seconds, or when fewer cards than asked for are
        free, of which then none is kept."""
        if self._held:
            return True
        if not self._device.startswith(CARD):
            return self._take(self._device, wait_s)
        cards = [
            card
            for card in _cards_of(self._device)
            if len(self._held) < self._num_cards and self._take(_lock_name(card), wait_s)
        ]
        if len(cards) < self._num_cards:
            self.release()
            return False
        self.cards = tuple(sorted(cards))
        return True

    def _take(self, name: str, wait_s: float) -> bool:
        descriptor = try_lock(self._dir / f"{name}.lock", wait_s)
        if descriptor is None:
            return False
        self._held[name] = descriptor
        write_json_atomic(self._dir / f"{name}.json", {**self._note, "since": time.time()})
        return True

    def release(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held, self.cards = {}, ()

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
    """Who holds a device: {purpose: training | evaluation | chat, name, label, pid, since}, or None. Of several
    cards one that is free is enough for None."""
    if not device.startswith(CARD):
        return _holder_of(workspace_dir, device)
    holders = [_holder_of(workspace_dir, _lock_name(card)) for card in reversed(_cards_of(device))]
    return None if None in holders else holders[0]


def _holder_of(workspace_dir: Path, device: str) -> dict[str, Any] | None:
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
    """The lease of the device that a run's settings ask for, in the run's name: for a training a card a process."""
    config, label = folder.read_config(), folder.read_run().get("name", "")
    num_cards = config.num_processes if purpose == "training" else 1
    device = lease_device(config.device)
    return DeviceLease(folder.workspace_dir, device, purpose, folder.run_id, label, num_cards)


def holder_values(holder: dict[str, Any]) -> dict[str, str]:
    """The values of a message that names a holder."""
    return {"purpose": holder.get("purpose", "?"), "name": holder.get("label") or holder.get("name", "?")}

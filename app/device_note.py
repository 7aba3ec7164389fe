"""Who uses the device that an answer would use too: a chat then falls back to the processor, or shares it."""

from __future__ import annotations

from app.markup import note
from app.texts import say, word_error
from core.runs.lease import holder_values, lease_holder
from core.workspace import Workspace


def device_note(workspace: Workspace, language: str) -> str:
    """A sentence that names the holder; nothing when all devices are free."""
    for device in ("cuda", "cpu"):
        holder = lease_holder(workspace.root, device)
        if holder is not None:
            values = {"device": device, **holder_values(holder)}
            said, _ = word_error(language, "run.device_taken", values)
            return note(f"{said} {say(language, f'try.beside_{device}')}")
    return ""

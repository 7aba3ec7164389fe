"""Who is using the device, in words: training, exams and chat share it."""

from __future__ import annotations

from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import say
from core.runs.device_lease import holder_for, lease_device

PURPOSES = ("training", "evaluation")


def word_holder(context: Context, selection: Selection) -> str:
    """'Run 2 (training)', without a name for a run of somebody else's on a shared page; "" while the device is free
    or answers questions."""
    project = context.project(selection)
    holder = holder_for(project, lease_device("auto")) if project else None
    purpose = (holder or {}).get("purpose", "")
    if holder is None or purpose not in PURPOSES:
        return ""
    name = holder.get("label") or holder.get("name") or say("device.somebody")
    return say("device.holder", name=name, purpose=say(f"purpose.{purpose}"))

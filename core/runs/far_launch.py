"""Runs handed to another engine: launch.json names each start before the engine hears of it."""

from __future__ import annotations

from collections.abc import Sequence

from core.base.errors import TaskloomError
from core.base.files import new_id, write_json_atomic
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS, LaunchOrder, Together
from core.runs.where import Engine, require_engine


def launch_far(engine: Engine, starts: Sequence[tuple[RunFolder, int]]) -> None:
    """Submits runs, each with its lock; several only where the engine takes them together. No worker can begin that
    nobody knows of.

    Raises:
        RunError: the engine refuses, cannot run these settings or does not answer; no start is noted then.
        WorkspaceError: a folder cannot be written.
    """
    launcher = LAUNCHERS.get(engine.launcher)
    for folder, _ in starts:
        require_engine(engine, folder.read_config())
    orders = [LaunchOrder(folder, lock, new_id("l"), engine.settings) for folder, lock in starts]
    noted = {"launcher": engine.launcher, "on": engine.name, "settings": dict(engine.settings)}
    try:
        for order in orders:
            order.folder.heartbeat_path.unlink(missing_ok=True)
            write_json_atomic(order.folder.launch_path, {**noted, "launch_id": order.launch_id})
        if len(orders) > 1 and isinstance(launcher, Together):
            identities = launcher.submit_all(orders)
        else:
            identities = [launcher.submit(order) for order in orders]
    except TaskloomError:
        for order in orders:
            order.folder.launch_path.unlink(missing_ok=True)
        raise
    for order, identity in zip(orders, identities, strict=True):
        launch = {**noted, "launch_id": order.launch_id, **identity}
        write_json_atomic(order.folder.launch_path, launch)

"""Where a worker runs. `local` starts a process on this machine; a cluster engine or the Hub's Jobs is one more
file with one more registration, and a run names it in run.json (`launcher`).

A launcher gets the run folder and the descriptor of the run's lock, and returns what identifies the worker; that is
written to launch.json. The folder stays the only channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.base.errors import WorkspaceError
from core.base.processes import Order, python, start_detached
from core.base.registry import Registry
from core.runs.folder import RunFolder

Launcher = Callable[[RunFolder, int], dict[str, Any]]
LAUNCHERS: Registry[Launcher] = Registry("launcher")


def launch_local(folder: RunFolder, lock: int) -> dict[str, Any]:
    """A detached process in a session of its own: output to the log file, never to a pipe; the lock is inherited.

    Raises:
        WorkspaceError: the log cannot be written or the process cannot be started.
    """
    order = Order(worker_command(folder, lock), folder.path.resolve(), descriptors=(lock,))
    try:
        return start_detached(order, folder.log_path)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(folder.path), detail=error.strerror or "") from error


def worker_command(folder: RunFolder, lock: int) -> tuple[str, ...]:
    """How a worker is started."""
    return python("-m", "core.worker", str(folder.path.resolve()), "--lock", str(lock))


LAUNCHERS.register("local", launch_local)

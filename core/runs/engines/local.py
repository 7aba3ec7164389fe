"""This machine: a detached process that inherits the run's lock, which the kernel frees on any death."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import psutil

from core.base.errors import WorkspaceError
from core.base.files import read_json
from core.base.processes import Order, find_process, start_detached
from core.runs import launchers
from core.runs.folder import RunFolder
from core.runs.launchers import Answer, Expected, Identity, LaunchOrder
from core.runs.ranks import read_ranks

KILL_WAIT_S = 5.0


class LocalLauncher:
    """Processes of this machine."""

    is_here = True
    joins = True
    settings: Mapping[str, type] = {}

    def submit(self, order: LaunchOrder) -> dict[str, Any]:
        """A detached process in a session of its own: output to the log file, never to a pipe.

        Raises:
            WorkspaceError: the log cannot be written or the process cannot be started.
        """
        folder = order.folder
        command = launchers.worker_command(folder, order.lock)
        child = Order(command, folder.path.resolve(), descriptors=(order.lock,))
        try:
            return start_detached(child, folder.log_path)
        except OSError as error:
            raise WorkspaceError(
                "workspace.read_only", path=str(folder.path), detail=error.strerror or ""
            ) from error

    def alive(self, folder: RunFolder, launch: Identity) -> Answer:
        return Answer("working" if folder.is_alive() else "gone")

    def cancel(self, folder: RunFolder, launch: Identity) -> None:
        """SIGKILL to the whole process tree of a run, and waits until it is gone."""
        processes = worker_processes(folder)
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=KILL_WAIT_S)

    def log(self, folder: RunFolder, launch: Identity, num_lines: int) -> str:
        return folder.read_log(num_lines)

    def expect(self, settings: Mapping[str, Any]) -> Expected:
        return Expected()


def worker_processes(folder: RunFolder) -> list[psutil.Process]:
    """The live processes of a run: the worker and its descendants. Identity is (pid, start time), never the pid."""
    entries = read_ranks(folder)
    with contextlib.suppress(OSError, WorkspaceError):  # a launch is noted when its process runs already
        entries.insert(0, read_json(folder.launch_path))
    found: dict[int, psutil.Process] = {}
    for entry in entries:
        root = find_process(entry)
        if root is not None:
            found[root.pid] = root
            with contextlib.suppress(psutil.Error):
                found.update({child.pid: child for child in root.children(recursive=True)})
    return list(found.values())

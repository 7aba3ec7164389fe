"""What a node of a Ray cluster does for a run: it holds the run's worker, and its cards, while that lives."""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from core.base.processes import Order, start_beside
from core.models.processor import CORES
from core.runs.folder import RunFolder


class Errand:
    """An actor of Ray. The worker starts with it, so that an actor that Ray begins again on another node, because
    its own is gone, begins the worker again too, which goes on from the last checkpoint. It dies with its actor."""

    def __init__(self, run_dir: str, command: tuple[str, ...], cores: int) -> None:
        with open(RunFolder(run_dir).log_path, "ab") as log:
            sys.stdout.flush()
            for stream in (1, 2):  # the worker's words and Ray's about it, in the one log
                os.dup2(log.fileno(), stream)
        ray: Any = import_module("ray")
        self._me = ray.get_runtime_context().current_actor
        self._worker = start_beside(worker_order(run_dir, command, cores))
        threading.Thread(target=self._wait, daemon=True, name="waits").start()

    def here(self) -> bool:
        """Answers as soon as the worker has been started."""
        return True

    def leave(self) -> None:
        """Ends the actor as Ray wants it; one that only breaks off would be begun again."""
        import_module("ray").actor.exit_actor()

    def _wait(self) -> None:
        self._worker.wait()
        self._me.leave.remote()


def worker_order(run_dir: str, command: tuple[str, ...], cores: int) -> Order:
    """The run's worker with as many threads as Ray counts cores for it, since Ray holds nobody to its count."""
    return Order(command, Path(run_dir), variables={CORES: str(cores)})

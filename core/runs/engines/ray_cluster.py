"""A Ray cluster: every run is an actor on a node that has room, begun again elsewhere when its node is gone.

This machine is a node of the cluster (`ray start`), and the workspace lies on a file system that the nodes share.
Ray itself is only in a child (`ray_door.py`), one for each address, that lives as long as this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.base.errors import RunError
from core.base.processes import Order, Process, end_group, python, start_piped
from core.runs.engines.ray_door import MISSING
from core.runs.folder import RunFolder
from core.runs.launchers import Answer, Expected, Identity, LaunchOrder, far_command, for_processes
from core.training.config import RunConfig

NAME = "Ray"
JOIN_S, ANSWER_S = 30.0, 15.0
LEAVES_S = 5.0  # a child that has closed its output is about to end, with a code
TRIES, CPUS = 5, 1
_DOOR = "core.runs.engines.ray_door"
# How a cluster is found and how it is spoken to; its token is read from a file, never passed on.
_PASSED = ("RAY_ADDRESS", "RAY_TMPDIR", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_USE_TLS")
_PASSED_BEGINNING = "RAY_TLS_"


class RayLauncher:
    """`address`: of the cluster's head, `auto` for the one that this machine belongs to; `tries`: how often a run
    whose node is gone goes on elsewhere."""

    is_here = False
    joins = True
    settings: Mapping[str, type] = {"address": str, "gpus": int, "cpus": int, "memory_gb": float, "tries": int}

    def submit(self, order: LaunchOrder) -> dict[str, Any]:
        """
        Raises:
            RunError: Ray is missing, or the cluster refuses or does not answer.
        """
        return self.submit_all([order])[0]

    def submit_all(self, orders: Sequence[LaunchOrder]) -> list[dict[str, Any]]:
        """
        Raises:
            RunError: as `submit`.
        """
        settings = orders[0].settings
        given = [
            {
                "run_dir": str(order.folder.path.resolve()),
                "launch_id": order.launch_id,
                "command": far_command(order.folder, order.launch_id),
                "need": _need(settings, order.folder.read_config()),
            }
            for order in orders
        ]
        return [{"job": job} for job in _ask(settings, "submit", orders=given)]

    def alive(self, folder: RunFolder, launch: Identity) -> Answer:
        settings = launch.get("settings", {})
        need = _need(settings, folder.read_config())
        sign, detail = _ask(settings, "alive", job=launch["job"], need=need)
        return Answer(sign, detail=detail)

    def cancel(self, folder: RunFolder, launch: Identity) -> None:
        _ask(launch.get("settings", {}), "cancel", job=launch["job"])

    def log(self, folder: RunFolder, launch: Identity, num_lines: int) -> str:
        return folder.read_log(num_lines)

    def expect(self, settings: Mapping[str, Any]) -> Expected:
        return Expected(waiting=int(_ask(settings, "waiting")))


def _need(settings: Mapping[str, Any], config: RunConfig) -> dict[str, Any]:
    """What a node has to have free for a run, and on how many of them at once."""
    return {
        **for_processes(settings, config.num_processes, CPUS),
        "memory": int(float(settings.get("memory_gb", 0)) * 2**30),
        "tries": int(settings.get("tries", TRIES)),
        "machines": config.num_machines,
    }


class Door:
    """The child that is in one cluster; it is started when it is first needed, and anew when it is gone."""

    def __init__(self, address: str) -> None:
        self._address, self._lock = address, threading.Lock()
        self._child: Process | None = None
        self._has_joined = False

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """
        Raises:
            RunError: there is no Ray here. OSError, ValueError: no answer; the child is ended.
        """
        with self._lock:
            if self._child is None or self._child.poll() is not None:
                self._end(0.0)
                self._child, self._has_joined = self._start(), False
            seconds = ANSWER_S if self._has_joined else JOIN_S
            try:
                answer = _answer(self._child, json.dumps(question).encode() + b"\n", seconds)
            except (OSError, ValueError) as error:
                if self._end(LEAVES_S if isinstance(error, ConnectionError) else 0.0) == MISSING:
                    raise RunError("run.engine_missing", engine=NAME, package="ray") from None
                raise
            self._has_joined = True
            return answer

    def close(self) -> None:
        with self._lock:
            self._end(0.0)

    def _end(self, grace_s: float) -> int | None:
        """The exit code of the child, which is ended if it does not leave by itself."""
        child, self._child = self._child, None
        if child is None:
            return None
        end_group(child, grace_s)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # a question that never reached it
                    pipe.close()
        return child.returncode

    def _start(self) -> Process:
        passed = {k: v for k, v in os.environ.items() if k in _PASSED or k.startswith(_PASSED_BEGINNING)}
        return start_piped(Order(python("-m", _DOOR, self._address), variables=passed), Path(os.devnull))


_doors: dict[str, Door] = {}


def _ask(settings: Mapping[str, Any], ask: str, **question: Any) -> Any:
    """
    Raises:
        RunError: Ray is missing, or the cluster refuses or does not answer.
    """
    address = str(settings.get("address", "auto"))
    try:
        answer = _doors.setdefault(address, Door(address)).ask({"ask": ask, **question})
    except (OSError, ValueError) as error:
        raise RunError("run.engine_no_answer", engine=NAME, detail=f"{address}: {error}") from None
    if "error" in answer:
        key = "run.engine_refused" if answer["joined"] else "run.engine_no_answer"
        raise RunError(key, engine=NAME, detail=f"{address}: {answer['error']}")
    return answer["said"]


def _answer(child: Process, line: bytes, seconds: float) -> dict[str, Any]:
    """
    Raises:
        OSError, ValueError: the child is gone, silent, or says what is no answer.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(line)
    child.stdin.flush()
    said, end = b"", time.monotonic() + seconds
    while not said.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            raise TimeoutError(f"{seconds:g} s")
        part = os.read(child.stdout.fileno(), 65536)
        if not part:
            raise ConnectionError("ray_door")
        said += part
    found: dict[str, Any] = json.loads(said)
    return found

"""What a node of a Ray cluster does for a run: it holds the run's worker, and its cards, while that lives.

A run of several machines has a placement group with a bundle for each. The actor in the first starts the worker
and an actor in every other bundle, which joins by torchrun as a person there would (`core.worker --machine`).
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from core.base.processes import Order, python, start_beside
from core.models.processor import CORES
from core.runs.folder import RunFolder
from core.runs.ranks import RENDEZVOUS

INTERRUPTED = 3  # exit code of a worker that did not come to an end


class Errand:
    """An actor of Ray. The worker starts with it, so that an actor that Ray begins again on another node, because
    its own is gone, begins the worker again too, which goes on from the last checkpoint. It dies with its actor,
    and so does what it started on other nodes.

    `need`: what the run has of every node, as `core.runs.engines.ray_cluster` asks for it.
    """

    def __init__(self, run_dir: str, command: tuple[str, ...], need: dict[str, Any]) -> None:
        self._folder = RunFolder(run_dir)
        _speak_into(self._folder)
        ray: Any = import_module("ray")
        self._me = ray.get_runtime_context().current_actor
        self._group = ray.util.get_current_placement_group() if need["machines"] > 1 else None
        meet = _free_address(ray.util.get_node_ip_address()) if self._group else ""
        self._worker = start_beside(worker_order(run_dir, command, need["cpus"], meet))
        self._others = [self._begin(ray, machine, need, meet) for machine in range(1, need["machines"])]
        threading.Thread(target=self._wait, daemon=True, name="waits").start()

    def here(self) -> bool:
        """Answers as soon as the worker has been started."""
        return True

    def leave(self) -> None:
        """Ends the actor as Ray wants it; one that only breaks off would be begun again."""
        ray: Any = import_module("ray")
        if self._group is not None:
            ray.util.remove_placement_group(self._group)
        ray.actor.exit_actor()

    def _begin(self, ray: Any, machine: int, need: dict[str, Any], meet: str) -> Any:
        """The actor of another machine; not detached, so it goes with this one."""
        options = bundle_options(need, self._group, machine)
        return ray.remote(Helper).options(**options).remote(str(self._folder.path), machine, need["cpus"], meet)

    def _wait(self) -> None:
        code = self._worker.wait()
        if code == INTERRUPTED and self._others and not self._folder.pause_path.exists():
            # Another machine is gone, its share with it: begun again, all go on from the last checkpoint.
            os._exit(1)
        else:
            self._me.leave.remote()


class Helper:
    """An actor that holds the processes of one further machine of a run."""

    def __init__(self, run_dir: str, machine: int, cores: int, meet: str) -> None:
        _speak_into(RunFolder(run_dir))
        command = python("-m", "core.worker", run_dir, "--machine", str(machine))
        self._joined = start_beside(worker_order(run_dir, command, cores, meet))


def bundle_options(need: dict[str, Any], group: Any, index: int) -> dict[str, Any]:
    """Options of an actor that takes one bundle of a placement group."""
    strategies: Any = import_module("ray.util.scheduling_strategies")
    place = strategies.PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)
    return {**resources(need), "scheduling_strategy": place}


def resources(need: dict[str, Any]) -> dict[str, Any]:
    """What an actor takes of its node."""
    return {"num_cpus": need["cpus"], "num_gpus": need["gpus"], "memory": need["memory"] or None}


def worker_order(run_dir: str, command: tuple[str, ...], cores: int, meet: str = "") -> Order:
    """The run's worker with as many threads as Ray counts cores for it, since Ray holds nobody to its count.
    `meet`: where the machines of the run find each other."""
    return Order(command, Path(run_dir), variables={CORES: str(cores), **({RENDEZVOUS: meet} if meet else {})})


def _free_address(host: str) -> str:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return f"{host}:{probe.getsockname()[1]}"


def _speak_into(folder: RunFolder) -> None:
    with open(folder.log_path, "ab") as log:
        sys.stdout.flush()
        for stream in (1, 2):  # the worker's words and Ray's about it, in the one log
            os.dup2(log.fileno(), stream)

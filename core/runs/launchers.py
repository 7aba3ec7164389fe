"""Where a worker runs, and the one protocol by which its engine is spoken to: submit, alive, cancel, log.

`local` is this machine; a cluster's queue or the Hub's Jobs is one more file in `engines/` with one registration.
A run names its launcher in run.json, and launch.json holds what the engine calls the job. The run folder stays the
only channel; nothing but its path and settings without secrets goes to an engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from core.base.processes import python
from core.base.registry import Registry
from core.runs.folder import RunFolder

Sign = Literal["pending", "working", "gone", "unknown"]
Identity = Mapping[str, Any]  # what launch.json says
LOCAL = "local"


@dataclass(frozen=True)
class Answer:
    """What an engine says of a run's worker. `pending`: it has not begun there; `unknown`: the engine does not
    answer, which is no proof of anything. `place` 1 is next in the engine's own queue; `detail` is in its words."""

    sign: Sign
    place: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class LaunchOrder:
    """A run to be started. `lock` is the descriptor of its lock, held by who asks; `launch_id` tells this start
    from every other; `settings` are those of the engine."""

    folder: RunFolder
    lock: int
    launch_id: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Expected:
    """What an engine knows beforehand: dollars an hour, runs that wait there, the most time a job gets there, and
    how often a run that its job ended goes on by itself in another one."""

    dollars_an_hour: float | None = None
    waiting: int | None = None
    limit_s: float | None = None
    goes_on: int = 0


class Launcher(Protocol):
    """`is_here`: its workers are processes of this machine that hold the run's lock and wait in our queue for the
    device; elsewhere the engine has a queue of its own. `joins`: a run of several machines finds all of them there;
    others begin it on one. `settings`: names and types of what a place may say.

    Every method may raise RunError with words when the engine refuses; `alive` answers `unknown` instead.
    """

    is_here: bool
    joins: bool
    settings: Mapping[str, type]

    def submit(self, order: LaunchOrder) -> dict[str, Any]:
        """Starts the worker -> what identifies it, for launch.json."""

    def alive(self, folder: RunFolder, launch: Identity) -> Answer: ...

    def cancel(self, folder: RunFolder, launch: Identity) -> None:
        """Ends the worker by force, or takes it out of the engine's queue."""

    def log(self, folder: RunFolder, launch: Identity, num_lines: int) -> str:
        """The last lines of what the worker, or the engine about it, said."""

    def expect(self, settings: Mapping[str, Any]) -> Expected: ...


@runtime_checkable
class Together(Protocol):
    """What a launcher can do beside, when its engine takes several runs in one call."""

    def submit_all(self, orders: Sequence[LaunchOrder]) -> list[dict[str, Any]]:
        """Starts the workers of runs of one engine, all of them or none -> what identifies each.

        Raises:
            RunError: the engine refuses or does not answer.
        """


LAUNCHERS: Registry[Launcher] = Registry("launcher")


def worker_command(folder: RunFolder, lock: int) -> tuple[str, ...]:
    """How a worker of this machine is started: it inherits the run's lock."""
    return python("-m", "core.worker", str(folder.path.resolve()), "--lock", str(lock))


def far_command(folder: RunFolder, launch_id: str) -> tuple[str, ...]:
    """How a worker is started by an engine: it takes the lock itself, and leaves once it is replaced."""
    return python("-m", "core.worker", str(folder.path.resolve()), "--launch", launch_id)


def for_processes(settings: Mapping[str, Any], processes: int, cpus: int) -> dict[str, int]:
    """`cpus` and `gpus` that an engine has to set aside on a machine: what engines.yaml says, and for a run of
    several processes a core each, and a card each where there are to be any. `cpus`: where it says nothing."""
    gpus = int(settings.get("gpus", 0))
    return {"cpus": max(int(settings.get("cpus", cpus)), processes), "gpus": max(gpus, processes) if gpus else 0}

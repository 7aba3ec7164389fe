"""What the HTTP endpoint serves: models by name, the worker that answers, and how many may wait for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from core.chat.answer_pool import AnswerPool
from core.chat.client import ChatClient
from core.chat.detecting import AUTO
from core.chat.protocol import FULL
from core.runs.folder import RunFolder
from core.tasks.spec import TaskSpec

MAX_OPEN = 64  # answers at the same time; further ones wait
MAX_WAITING = 512  # then a caller is told to come back


class Refused(Exception):
    """An answer of the endpoint that is not 200: status, OpenAI's error type, message."""

    def __init__(self, status: HTTPStatus, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


@dataclass(frozen=True)
class Served:
    """One model of the endpoint: a task of a run, or with `task` None whichever a text belongs to."""

    name: str
    run_dir: Path
    task: TaskSpec | None


@dataclass
class Service:
    """What the endpoint needs: models by name, the client, the token (empty: none asked for), allowed Host names,
    the precision of the base model."""

    models: dict[str, Served]
    client: ChatClient
    token: str = ""
    hosts: tuple[str, ...] = ()
    precision: str = FULL
    pool: AnswerPool = field(init=False)
    num_open: int = 0

    def __post_init__(self) -> None:
        self.pool = AnswerPool(self.client, MAX_OPEN)

    def find(self, name: str) -> Served:
        """A model by name; "<run>:<task>", as versions before 0.4 named it, is understood too."""
        named = self.models.get(name) or self.models.get(name.replace(":", "/", 1))
        if named is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"There is no model {name!r}. Known: {', '.join(self.models)}.")
        return named

    def require_room(self, count: int) -> None:
        """Raises Refused when so many further answers would be too many to wait."""
        if self.num_open + count > MAX_OPEN + MAX_WAITING:
            busy = "Too many answers are waiting; try again."
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, busy, "overloaded_error")


def find_models(run_dirs: Sequence[Path]) -> dict[str, Served]:
    """The models of some runs, by name."""
    found = {}
    for run_dir in run_dirs:
        tasks: list[TaskSpec | None] = list(RunFolder(run_dir).read_tasks())
        names = [task.name for task in tasks if task is not None]
        if len(tasks) > 1 and AUTO not in names:
            tasks.append(None)
        for task in tasks:
            name = f"{run_dir.name}/{AUTO if task is None else task.name}"
            found[name] = Served(name, run_dir.resolve(), task)
    return found

"""What was found in each task, kept in this process until the task's files or the limit change.

Looking at the rows takes seconds, and a list of tasks is drawn with every click.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from core.tasks.changing.isolation import health_isolated
from core.tasks.cuts import LengthLimit
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import list_tasks, task_dir
from core.workspace import Project

if TYPE_CHECKING:
    from core.tasks.health.report import TaskHealth

MOST = 512  # tasks of all projects
Stamp = tuple[object, ...]


class HealthMemory:
    """By the task's folder, the times of its files, and the limit that prompts are counted against."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Stamp, TaskHealth] = OrderedDict()

    def find(self, project: Project, spec: TaskSpec, limit: LengthLimit | None) -> TaskHealth | None:
        """What is known of a task, None when its rows have not been looked at as they are now."""
        with self._lock:
            return self._known.get(_stamp(project, spec, limit))

    def look(self, project: Project, limit: LengthLimit | None) -> None:
        """Looks at the tasks that are not known, in a child process.

        Raises:
            TaskloomError: as `health_report`; TaskFileError when it takes too long or too much memory.
        """
        stamps = {spec.task_id: _stamp(project, spec, limit) for spec in list_tasks(project)}
        with self._lock:
            missing = [task_id for task_id, stamp in stamps.items() if stamp not in self._known]
        if not missing:
            return
        report = health_isolated(project, missing, limit)
        with self._lock:
            for health in report.tasks:  # under the time of before: what has changed meanwhile is looked at again
                self._known[stamps[health.task_id]] = health
            while len(self._known) > MOST:
                self._known.popitem(last=False)


def _stamp(project: Project, spec: TaskSpec, limit: LengthLimit | None) -> Stamp:
    folder = task_dir(project, spec.task_id)
    paths = (folder / "task.json", *(folder / f"{split}.jsonl" for split in SPLITS))
    times = tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in paths)
    return (str(folder), *times, limit)

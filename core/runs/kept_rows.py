"""The rows that plans were last looked at with: a page asks after every click, and goals of one project share them.

What is kept for longer is numbers. Once each plan of each project was kept with its rows: 123,000 of them after
three minutes of twenty visitors (assets/docs/load.md).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace

from core.tasks.dataset import TaskDataset
from core.training.config import RunConfig
from core.training.plan import load_run_dataset
from core.workspace import Project

MOST_ROWS = 20_000  # of all that is kept; the last one is, however large
Names = tuple[str, ...] | None


class KeptRows:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, TaskDataset] = OrderedDict()

    def of(self, project: Project, names: Names, stamp: str, config: RunConfig) -> TaskDataset:
        """As `load_run_dataset`; `stamp` changes with the project's rows.

        Raises:
            WorkspaceError: an unknown task, or a project without tasks.
        """
        chosen = replace(
            RunConfig(), left_out_tasks=config.left_out_tasks, few_shot=config.few_shot, seed=config.seed
        )
        key = (project, names, stamp, chosen)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = load_run_dataset(project, chosen, None if names is None else list(names))
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > MOST_ROWS:
                self._kept.popitem(last=False)
        return found


def _size(dataset: TaskDataset) -> int:
    return sum(map(len, dataset.examples.values()))

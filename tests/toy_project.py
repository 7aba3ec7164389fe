"""A project small enough to train in two seconds: a tiny random model, and two tasks with contradictory answers."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.runs.creation import create_run
from core.runs.folder import RunFolder
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.training.config import RunConfig, change_config
from core.workspace import Project, Workspace

ANSWERS = {"direct": ("yes", "no"), "reversed": ("no", "yes")}
QUICK: dict[str, Any] = {
    "max_steps": 12,
    "stage2_steps": 6,
    "batch_size": 8,
    "max_tokens": 96,
    "exam_rows": 4,
    "max_new_tokens": 4,
    "evaluate_every": 4,
    "log_every": 2,
    "num_threads": 1,
    "device": "cpu",
    "validation_rows": 8,
}


def build_toy_project(root: Path, rows: int = 120) -> Project:
    """A workspace with one project: the same texts, answered yes/no by one task and no/yes by the other."""
    project = Workspace(root).create_project("toy")
    draw = random.Random(0)
    for name, (good, bad) in ANSWERS.items():
        lines = ["text,label"]
        for number in range(rows):
            word = draw.choice(["good", "bad"])
            lines.append(f"{word} {number},{good if word == 'good' else bad}")
        path = root / f"{name}.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        add_task(project, path, TaskRequest(name=name))
    return project


def quick_config(model: Path, **changes: Any) -> RunConfig:
    return change_config(RunConfig(base_model=str(model)), {**QUICK, **changes})


def quick_run(project: Project, model: Path, **changes: Any) -> RunFolder:
    return create_run(project, quick_config(model, **changes))


@dataclass
class ListJournal:
    """A journal in memory. `wishes` maps a step (of the whole run) to a wish; `on_event` may raise."""

    wishes: dict[int, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    step: int = 0

    def event(self, kind: str, **fields: Any) -> None:
        self.events.append({"kind": kind, **fields})

    def progress(self, **changes: Any) -> None:
        self.status.update(changes)

    def wish(self) -> str | None:
        self.step += 1
        return self.wishes.get(self.step)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind]

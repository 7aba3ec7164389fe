"""The verbs of the command line, one file a topic. Engine rooms load only when a verb runs, so help is fast."""

from __future__ import annotations

import importlib
from typing import Any

VERBS = (
    "project",
    "task",
    "model",
    "ready",
    "train",
    "runs",
    "queue",
    "engines",
    "clean",
    "rerun",
    "history",
    "evaluate",
    "ask",
    "chat",
    "detect",
    "skills",
    "what_if",
    "compare",
    "study",
    "add_task",
    "probe",
    "wordings",
    "answers",
    "look",
    "annotate",
    "merge",
    "group",
    "serve",
    "export",
    "push",
    "report",
    "yardstick",
    "doctor",
    "sample",
)


def add_verbs(subparsers: Any, names: tuple[str, ...]) -> None:
    """Lets every topic add its verbs."""
    for name in names:
        importlib.import_module(f"core.commands.{name}").add_parser(subparsers)

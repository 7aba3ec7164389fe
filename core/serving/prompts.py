"""The prompt of a question, built exactly as training built it from a row: same template, same instruction."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import RunError
from core.tasks.dataset import render_prompt
from core.tasks.spec import TaskSpec


def build_prompt(task: TaskSpec, content: str | Mapping[str, str]) -> str:
    """The prompt for a text (a task with one input column) or for texts by column; a column may be blank.

    Raises:
        RunError: the task has several input columns and not all of them are given.
    """
    if isinstance(content, str):
        content = {task.inputs[0]: content} if len(task.inputs) == 1 else {}
    missing = [name for name in task.inputs if name not in content]
    if missing:
        raise RunError("serving.missing_input", task=task.name, columns=", ".join(missing))
    return render_prompt(task, dict(content))

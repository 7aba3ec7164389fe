"""Is a question one of a task's exam? Its right answer is known then, and it must never be practised."""

from __future__ import annotations

from core.tasks.cell_text import input_text
from core.tasks.dataset import render_target
from core.tasks.spec import TaskSpec
from core.tasks.store import list_tasks, read_rows, task_dir
from core.workspace import Project


def exam_answer(project: Project, spec: TaskSpec, content: str | dict[str, str]) -> str:
    """The right answer when all inputs are those of a row of the project's exam; "" for other questions, and where
    the task was removed."""
    if spec.task_id not in [known.task_id for known in list_tasks(project)]:
        return ""
    given = [content.strip()] if isinstance(content, str) else [content.get(n, "").strip() for n in spec.inputs]
    for _, row in read_rows(task_dir(project, spec.task_id), "test"):
        if [input_text(row.get(name)).strip() for name in spec.inputs] == given:
            return render_target(spec, row)
    return ""

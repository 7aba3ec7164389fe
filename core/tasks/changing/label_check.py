"""Is an answer that a person typed one of a task's labels? A slip of the pen would become a class of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from core.base.errors import Problem, SettingError
from core.tasks.dataset import render_target
from core.tasks.health.spelling import alike_labels
from core.tasks.spec import LABELLED, SPLITS, TaskSpec
from core.tasks.store import get_task, read_rows, task_dir
from core.workspace import Project

NEW_LABEL = "task.new_label"
_SHOWN = 12


def list_labels(project: Project, name: str) -> list[str]:
    """The answers of a task with labels, most frequent first; [] for tasks whose answers are free.

    Raises:
        WorkspaceError: no such task.
    """
    spec = get_task(project, name)
    if spec.kind not in LABELLED:
        return []
    folder = task_dir(project, spec.task_id)
    counts = Counter(render_target(spec, row) for split in SPLITS for _, row in read_rows(folder, split))
    return [label for label, _ in counts.most_common() if label]


def match_label(labels: Sequence[str], answer: str) -> str:
    """The label that is meant where only case, blanks or marks between letters differ; else the answer."""
    if answer in labels:
        return answer
    counts = Counter(dict.fromkeys(labels, 2)) + Counter([answer])
    return next((label for written, label in alike_labels(counts) if written == answer), answer)


def check_label(project: Project, name: str, answer: str) -> Problem | None:
    """A question when the answer is no label that the task has so far: is it a new one? None when it is known, and
    for tasks whose answers are free."""
    spec, labels = get_task(project, name), list_labels(project, name)
    if not labels or match_label(labels, answer) in labels:
        return None
    return Problem("answer", NEW_LABEL, _values(spec, labels, answer))


def known_answer(project: Project, name: str, answer: str, is_new: bool = False) -> str:
    """The answer in the spelling of the task's labels.

    Raises:
        SettingError: it is none of them, and nobody said that it is a new one.
    """
    question = check_label(project, name, answer)
    if question is not None and not is_new:
        raise SettingError(question.key, **question.values)
    return match_label(list_labels(project, name), answer)


def _values(spec: TaskSpec, labels: Sequence[str], answer: str) -> dict[str, object]:
    near = get_close_matches(answer.casefold(), [label.casefold() for label in labels], 1, 0.6)
    nearest = next((label for label in labels if near and label.casefold() == near[0]), labels[0])
    known = ", ".join(labels[:_SHOWN]) + (", …" if len(labels) > _SHOWN else "")
    return {"answer": answer, "task": spec.name, "nearest": nearest, "known": known, "count": len(labels)}

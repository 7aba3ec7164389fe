"""Notes that say the same of many tasks, told once with all their names and one remedy. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from core.base.errors import Problem
from core.runs.plan_fixes import is_serious

MANY = 3  # notes of a kind from which on they are one
FOLDED = {  # the note of one task: the note of many, and the value that stands behind each name
    "check.few_exam": ("check.few_exam_tasks", "count"),
    "check.few_train": ("check.few_train_tasks", "count"),
    "check.no_validation": ("check.no_validation_tasks", ""),
    "check.long_rows": ("check.long_rows_tasks", "share"),
}


def fold_notes(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Warnings of one kind about MANY tasks or more become one, in the place of the first. Its `values` are those
    of the first, with `tasks` (names with their counts), `names`, `count` of tasks and `serious`."""
    kinds: dict[tuple[str, bool], list[Problem]] = {}
    for problem in problems:
        if problem.key in FOLDED and problem.severity == "warning":
            kinds.setdefault((problem.key, is_serious(problem)), []).append(problem)
    found = []
    for problem in problems:
        same = kinds.get((problem.key, is_serious(problem)), [])
        if len(same) < MANY or problem not in same:
            found.append(problem)
        elif problem is same[0]:
            found.append(_folded(same))
    return tuple(found)


def _folded(same: list[Problem]) -> Problem:
    key, behind = FOLDED[same[0].key]
    told = [f"{one.field} ({one.values[behind]})" if behind else one.field for one in same]
    own = {"tasks": ", ".join(told), "names": [one.field for one in same], "count": len(same)}
    return Problem("tasks", key, {**same[0].values, **own, "serious": is_serious(same[0])}, "warning")

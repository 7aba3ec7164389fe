"""The labels of a task. Where they are too many to be compared by their likelihood (`choosing.py`), a tree of their
tokens tells greedy decoding which tokens may follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.tasks.dataset import TaskDataset
from core.tasks.encoding import answer_ids
from core.tasks.spec import LABELLED

MOST_LABELS = 5000


class LabelTree:
    """Prefix of an answer's tokens -> the tokens that lead on to a label, the end of the answer included."""

    def __init__(self, tokenizer: Any, labels: Iterable[str]) -> None:
        self._end = int(tokenizer.eos_token_id)
        self._next: dict[tuple[int, ...], list[int]] = {}
        found: dict[tuple[int, ...], set[int]] = {}
        self.longest = 1
        for label in labels:
            ids = answer_ids(tokenizer, label)
            self.longest = max(self.longest, len(ids))
            for place, token in enumerate(ids):
                found.setdefault(tuple(ids[:place]), set()).add(token)
        self._next = {prefix: sorted(tokens) for prefix, tokens in found.items()}

    def allowed(self, prefix: tuple[int, ...]) -> list[int]:
        """What may follow; behind an ended answer only its end."""
        return self._next.get(prefix, [self._end])


def task_labels(dataset: TaskDataset, task: int) -> list[str]:
    """The right answers that occur in a task's practice and check sets; [] for tasks without labels. The exam's own
    answers are not looked at, so a label that only occurs there cannot be answered. Where the rows were left
    behind, as in an exported run, they are those that the task's description names."""
    if dataset.tasks[task].kind not in LABELLED:
        return []
    rows = [row for split in ("train", "validation") for row in dataset.split(task, split)]
    found = {row.target for row in rows if row.target} if rows else set(dataset.tasks[task].labels)
    return sorted(found) if len(found) <= MOST_LABELS else []

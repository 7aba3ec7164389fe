"""Similar training rows of a task, by BM25 (Robertson and Zaragoza 2009, k1 = 1.5, b = 0.75). Torch-free.

Examples are only ever taken from the practice split of the run's frozen copy. A practice row whose question also
stands in the exam (a leak that was left in the data) is passed over, so that no exam answer can be shown.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.base.errors import RunError
from core.chat.detecting import question_text
from core.evaluation.normalise import plain, words
from core.runs.folder import RunFolder
from core.tasks.dataset import SAVED_TASKS, Example, load_saved_dataset
from core.tasks.spec import TaskSpec

K1, B = 1.5, 0.75
MAX_ROWS = 20_000  # of a task's practice rows; more only cost time


@dataclass(frozen=True)
class Found:
    """A practice row with its BM25 score and its line in the file it came from."""

    prompt: str
    target: str
    line: int
    score: float


class ExampleIndex:
    """Practice rows of one task, found by their words; a CJK character is a word. Use `load_index`."""

    def __init__(self, spec: TaskSpec, rows: list[Example], exam: list[Example]) -> None:
        asked = {plain(question_text(spec, example.prompt)) for example in exam}
        pairs = [(example, question_text(spec, example.prompt)) for example in rows[:MAX_ROWS]]
        kept = [(example, text) for example, text in pairs if plain(text) not in asked]
        self.rows = [example for example, _ in kept]
        self._texts = [plain(text) for _, text in kept]
        documents = [Counter(words(f"{text} {example.target}")) for example, text in kept]
        lengths = np.array([sum(counts.values()) for counts in documents], dtype=float)
        norm = K1 * (1 - B + B * lengths / max(lengths.mean(), 1.0)) if documents else lengths
        self._postings: dict[str, tuple[list[int], list[float]]] = {}
        for place, counts in enumerate(documents):
            for word, count in counts.items():
                places, weights = self._postings.setdefault(word, ([], []))
                places.append(place)
                weights.append(count * (K1 + 1) / (count + norm[place]))

    def scores(self, text: str) -> NDArray[np.float64]:
        """[rows] BM25 of every practice row for the words of a text."""
        found = np.zeros(len(self.rows))
        for word in set(words(text)):
            places, weights = self._postings.get(word, ([], []))
            rarity = np.log(1 + (len(self.rows) - len(places) + 0.5) / (len(places) + 0.5))
            found[places] += rarity * np.array(weights)
        return found

    def find(self, question: str, answer: str = "", count: int = 4) -> list[Found]:
        """The rows most similar to a question and its last answer, best first; the question itself is none."""
        scores = self.scores(f"{question} {answer}")
        order = np.lexsort((np.arange(len(scores)), -scores))
        chosen: list[Found] = []
        seen = {plain(question)}
        for place in order[: 10 * count]:
            row = self.rows[place]
            if scores[place] <= 0 or self._texts[place] in seen:
                continue
            seen.add(self._texts[place])
            chosen.append(Found(row.prompt, row.target, row.line, round(float(scores[place]), 3)))
        return chosen[:count]


def load_index(run_dir: Path | str, task: str) -> tuple[TaskSpec, ExampleIndex]:
    """The index of a run's task, made once a process.

    Raises:
        RunError: the run has no such task.
    """
    path = Path(run_dir).resolve()
    return _load(str(path), task, (RunFolder(path).data_dir / SAVED_TASKS).stat().st_mtime)


@lru_cache(maxsize=8)
def _load(run_dir: str, task: str, _: float) -> tuple[TaskSpec, ExampleIndex]:
    dataset = load_saved_dataset(RunFolder(run_dir).data_dir)
    for index, spec in enumerate(dataset.tasks):
        if task in (spec.name, spec.task_id):
            return spec, ExampleIndex(spec, dataset.split(index, "train"), dataset.split(index, "test"))
    raise RunError("insight.no_task", task=task, known=", ".join(dataset.names()))

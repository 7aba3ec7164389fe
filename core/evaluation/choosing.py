"""Answers chosen among the labels of a task by their likelihood, with a certainty that check rows have made honest.

It asks another question than free answers do: not "what does the model say" but "which label does it prefer"; both
models of a comparison are examined the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.evaluation.certainty import Certainty, fit_certainty, read_certainties, write_certainties
from core.evaluation.labels import task_labels
from core.models.forward import Blend
from core.models.label_scores import LabelQuestion, LabelScorer
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.dataset import TaskDataset
from core.tasks.encoding import answer_ids

MOST_SCORED = 300  # more labels cost more to compare than to write
SHOWN = 5  # labels of a ranking
Encode = Callable[[str, int], list[int]]  # a prompt and the tokens that an answer needs -> the prompt's tokens


@dataclass(frozen=True)
class Given:
    """An answer. Where it was chosen among labels: how sure it is, 0..1, and the likeliest labels with their
    probabilities; None and () where nothing was measured that would make the number honest."""

    text: str
    certainty: float | None = None
    ranking: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class LabelSet:
    """The labels of a task that are compared by likelihood, with their tokens."""

    names: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]

    @property
    def longest(self) -> int:
        return max(map(len, self.ids))

    def slack(self, certainty: Certainty | None) -> float:
        """How far behind the best label another one still matters; without a certainty only the best does."""
        return certainty.slack(len(self.names)) if certainty else 0.0

    def give(self, values: Sequence[float], certainty: Certainty | None, place: int | None = None) -> Given:
        """The answer from the labels' log-likelihoods: the likeliest label, or the one at `place`."""
        place = int(np.argmax(values)) if place is None else place
        if certainty is None:
            return Given(self.names[place])
        found = certainty.probabilities(values)
        order = np.argsort(-found, kind="stable")[:SHOWN]
        ranking = tuple((self.names[label], round(float(found[label]), 4)) for label in order)
        return Given(self.names[place], round(float(found[place]), 4), ranking)


def build_label_set(tokenizer: Any, labels: Sequence[str]) -> LabelSet | None:
    """None where there is nothing to choose from, or too much to compare it all."""
    if not 1 < len(labels) <= MOST_SCORED:
        return None
    return LabelSet(tuple(labels), tuple(tuple(answer_ids(tokenizer, label)) for label in labels))


@dataclass(frozen=True)
class CheckRows:
    """Which check rows of a task are answered: at most `count`, drawn by `seed`."""

    seed: int
    count: int


class Choosing:
    """Chooses labels with one loaded model.

    Args:
        check: the check rows that tell how sure answers are.
    """

    def __init__(
        self, base: LoadedBase, model: ModularModel, batch_size: int, encode: Encode, check: CheckRows
    ) -> None:
        self._base, self._model, self._batch_size, self._encode = base, model, batch_size, encode
        self._check = check
        self._sets: dict[int, LabelSet | None] = {}
        self._certainties: dict[int, Certainty | None] = {}

    def label_set(self, dataset: TaskDataset, task: int) -> LabelSet | None:
        """What a task's answers are chosen from; None for tasks whose answers are written."""
        if task not in self._sets:
            self._sets[task] = build_label_set(self._base.tokenizer, task_labels(dataset, task))
        return self._sets[task]

    def certainty_of(self, dataset: TaskDataset, task: int) -> Certainty | None:
        """How far the likelihoods of a task's labels can be believed, by its check rows; None where nothing can be
        said: no labels, or no check row that has one of them."""
        if task not in self._certainties:
            self._certainties[task] = self._measure(dataset, task)
        return self._certainties[task]

    def note_certainties(self, dataset: TaskDataset, path: Path) -> None:
        """Writes how sure the answers of each task are; what is known already stays."""
        if read_certainties(path) is None:
            found = {spec.task_id: self.certainty_of(dataset, task) for task, spec in enumerate(dataset.tasks)}
            write_certainties(path, {task_id: one for task_id, one in found.items() if one})

    def choose_all(
        self, labels: LabelSet, prompts: Sequence[str], tasks: Blend, tuned: bool, certainty: Certainty | None
    ) -> Iterator[tuple[list[int], list[Given]]]:
        """Groups of (places in `prompts`, answers), longest prompts first. `tasks`: whom the model answers as."""
        for places, values in self._score(labels, prompts, tasks, tuned, labels.slack(certainty)):
            yield places, [labels.give(one, certainty) for one in values]

    def _score(
        self, labels: LabelSet, prompts: Sequence[str], tasks: Blend, tuned: bool, slack: float | None
    ) -> Iterator[tuple[list[int], list[list[float]]]]:
        scorer = LabelScorer(self._base, self._model, tuned)
        encoded = [self._encode(prompt, labels.longest) for prompt in prompts]
        order = sorted(range(len(prompts)), key=lambda place: -len(encoded[place]))
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size]
            questions = [LabelQuestion(encoded[place], tasks, labels.ids) for place in places]
            yield places, [values.tolist() for values in scorer.score(questions, slack)]

    def _measure(self, dataset: TaskDataset, task: int) -> Certainty | None:
        labels, examples = self.label_set(dataset, task), dataset.split(task, "validation")
        order = np.random.default_rng((self._check.seed, 9)).permutation(len(examples))
        order = order[: self._check.count]
        rows = [examples[row] for row in order if labels is not None and examples[row].target in labels.names]
        if labels is None or not rows:
            return None
        values = np.zeros((len(rows), len(labels.names)))
        for places, found in self._score(labels, [row.prompt for row in rows], {task: 1.0}, True, None):
            values[places] = found
        return fit_certainty(values, np.array([labels.names.index(row.target) for row in rows]))

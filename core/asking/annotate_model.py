"""A trained run reads rows without an answer: what it would say, how sure it is, and how far that hangs on single
skills. Needs torch; `core.insight.annotation` keeps what comes of it.

Confidence. A task with labels: the probability of the likeliest label, made honest by the run's check rows where
there are some. Another task: the length-normalised probability of the answer, exp(mean log p of its tokens).
Disagreement: every skill that the task uses is left out in turn, the answer staying the same; the mean over the
skills of the total variation distance between what is believed with and without it. 0: no skill matters.

Source: Rotman and Reichart, "Multi-task Active Learning for Pre-trained Transformer-based Models" (arXiv
2208.05379); the disagreement of skills is ours, in the place of a committee of models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.asking.trained import load_trained
from core.base.errors import Problem
from core.evaluation.certainty import Certainty, softmax
from core.evaluation.choosing import LabelSet
from core.evaluation.exam import TUNED, Examiner
from core.evaluation.intervals import FEW
from core.evaluation.ranking import rank_rows
from core.insight.annotation import ASKED, Candidate, Queue
from core.models.label_scores import LabelQuestion, LabelScorer
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset
from core.tasks.encoding import answer_ids
from core.training.examining import exam_settings

Belief = NDArray[np.float64]  # over the labels, or of the answer and of anything else
OnProgress = Callable[[int, int], None]  # (readings so far, readings in all)


@dataclass(frozen=True)
class Proposal:
    """What the run would answer; `confidence` and `disagreement` 0..1, None where no skill can be left out.
    `is_cut`: the text is longer than the run reads, and was read without a part of it."""

    answer: str
    confidence: float
    disagreement: float | None
    is_cut: bool = False


class PoolAsker:
    """A loaded run that proposes answers.

    Raises:
        RunError: the run has no trained adapter. ModelError: it cannot be loaded.
    """

    def __init__(self, folder: RunFolder, on_progress: OnProgress) -> None:
        trained = load_trained(folder)
        self._base, self._model = trained.base, trained.model.eval()
        settings = replace(exam_settings(trained.config), only_labels=True)
        self._dataset, self._settings = load_saved_dataset(folder.data_dir), settings
        self._examiner = Examiner(trained.base, trained.model, settings)
        self._scorer = LabelScorer(trained.base, trained.model, tuned=True)
        self._on_progress, self._done = on_progress, 0

    def readings(self, task: int) -> int:
        """How often a row of the task is read, its answer's writing included."""
        return 2 + len(self._columns(task))

    def is_checked(self, task: int) -> bool:
        """Whether the task's confidences are fitted on check rows enough: never those of written answers."""
        return self._certainty_of(task) is not None

    def _certainty_of(self, task: int) -> Certainty | None:
        """As the chat says how sure an answer is: only where enough check rows have shown it."""
        found = self._examiner.choosing.certainty_of(self._dataset, task)
        return found if found is not None and found.rows >= FEW else None

    def ask(self, task: int, prompts: Sequence[str], total: int) -> list[Proposal]:
        """A proposal for every prompt of one task; `total`: readings in all, for the progress of several tasks."""
        choosing = self._examiner.choosing
        labels = choosing.label_set(self._dataset, task)
        sure = self._certainty_of(task) if labels else None
        room = 0 if labels else self._examiner.answer_length(self._dataset, task)
        texts = [] if labels else self._written(task, prompts)
        self._step(len(prompts), total)
        asked = _Asked(task, labels, sure, texts)
        own = self._beliefs(asked, prompts, None, total)
        moved, columns = np.zeros(len(prompts)), self._columns(task)
        for column in columns:
            without = self._beliefs(asked, prompts, column, total)
            moved += [0.5 * float(np.abs(a - b).sum()) / len(columns) for a, b in zip(own, without, strict=True)]
        found = []
        for place, belief in enumerate(own):
            best = int(belief.argmax()) if labels else 0
            answer = labels.names[best] if labels else texts[place]
            apart = round(float(moved[place]), 4) if columns else None
            is_cut = self._examiner.is_cut(prompts[place], room or asked.longest(self._base.tokenizer, place))
            found.append(Proposal(answer, round(float(belief[best]), 4), apart, is_cut))
        return found

    def _columns(self, task: int) -> list[int]:
        """The skills that the task uses, where one of several can be left out."""
        adapter = self._model.adapter
        used = [i for i, skill in enumerate(adapter.skills()) if skill.task in (None, task)]
        return used if adapter.can_switch_off and len(used) > 1 else []

    def _written(self, task: int, prompts: Sequence[str]) -> list[str]:
        texts = [""] * len(prompts)
        for places, found in self._examiner.answer_all(self._dataset, task, prompts, TUNED):
            for place, text in zip(places, found, strict=True):
                texts[place] = text
        return texts

    def _beliefs(self, asked: _Asked, prompts: Sequence[str], column: int | None, total: int) -> list[Belief]:
        """What is believed of every prompt's answer, without a skill where `column` names one."""
        found = [np.zeros(0)] * len(prompts)
        without = nullcontext() if column is None else self._model.adapter.switch_off(column)
        with without:
            for places, questions in self._questions(asked, prompts):
                for place, values in zip(places, self._scorer.score(questions), strict=True):
                    found[place] = asked.belief(values.numpy(), questions[0].labels)
                self._step(len(places), total)
        return found

    def _questions(self, asked: _Asked, prompts: Sequence[str]) -> Iterator[tuple[list[int], list[LabelQuestion]]]:
        tokenizer, size = self._base.tokenizer, self._settings.batch_size
        for start in range(0, len(prompts), size):
            places = list(range(start, min(start + size, len(prompts))))
            questions = []
            for place in places:
                ids = asked.answers(tokenizer, place)
                encoded = self._examiner.encode(prompts[place], asked.longest(tokenizer, place))
                questions.append(LabelQuestion(encoded, {asked.task: 1.0}, ids))
            yield places, questions

    def _step(self, count: int, total: int) -> None:
        self._done += count
        self._on_progress(self._done, total)


@dataclass(frozen=True)
class _Asked:
    """What a task's rows are asked: its labels with how far their likelihoods can be believed, or the texts that
    the run wrote."""

    task: int
    labels: LabelSet | None
    sure: Certainty | None
    texts: Sequence[str]

    def answers(self, tokenizer: Any, place: int) -> Sequence[Sequence[int]]:
        """The tokens of every answer that is weighed for a row."""
        return self.labels.ids if self.labels else (tuple(answer_ids(tokenizer, self.texts[place])),)

    def longest(self, tokenizer: Any, place: int) -> int:
        return max(map(len, self.answers(tokenizer, place)))

    def belief(self, values: Belief, ids: Sequence[Sequence[int]]) -> Belief:
        """values: log-likelihoods of the labels, or of the one answer."""
        if self.labels:
            return self.sure.probabilities(values) if self.sure else softmax(values)
        likely = float(np.exp(values[0] / len(ids[0])))
        return np.array([likely, 1.0 - likely])


@dataclass(frozen=True)
class PoolRow:
    """A row of the pool: its line in the file, its inputs by column, and the prompt they make."""

    line: int
    inputs: dict[str, str]
    prompt: str


@dataclass(frozen=True)
class PoolTask:
    """The pool as one task of the run reads it: the task's place there, its id, and how many rows were left out
    because the task holds them already; `answered`: how many of the file's rows hold an answer. `notes`: what was
    left out else."""

    task: int
    task_id: str
    rows: list[PoolRow]
    known: int
    answered: int = 0
    notes: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Wish:
    """How reasons are combined (`core.evaluation.ranking`), how many rows are wanted, the name of the file, and how
    many of its rows are asked at most: the run reads every one of those several times."""

    way: str
    budget: int
    file: str
    most: int = ASKED


def rank_pool(folder: RunFolder, pool: Sequence[PoolTask], wish: Wish, on_progress: OnProgress) -> dict[str, Queue]:
    """The queue of every task by its id: the rows of the pool that are most worth asking about, over all tasks
    together, so that a row that several tasks doubt is asked about in each of them.

    Raises:
        RunError: the run has no trained adapter. SettingError: no such combination. ModelError: cannot be loaded.
    """
    asker = PoolAsker(folder, on_progress)
    pool = draw_rows(pool, wish.most, folder.read_config().seed)
    total = sum(len(part.rows) * asker.readings(part.task) for part in pool)
    lines = sorted({row.line for part in pool for row in part.rows})
    place = {line: i for i, line in enumerate(lines)}
    reasons, told = [], []
    for part in pool:
        found = asker.ask(part.task, [row.prompt for row in part.rows], total)
        told.append(dict(zip([row.line for row in part.rows], found, strict=True)))
        doubt, apart = np.full((2, len(lines)), np.nan)
        for line, proposal in told[-1].items():
            doubt[place[line]] = 1.0 - proposal.confidence
            apart[place[line]] = np.nan if proposal.disagreement is None else proposal.disagreement
        reasons += [doubt, apart] if np.isfinite(apart).any() else [doubt]
    order = rank_rows(np.stack(reasons, 1), wish.way)[: wish.budget]
    wanted = [lines[row] for row in order]
    return {
        part.task_id: Queue(
            folder.run_id,
            wish.file,
            wish.way,
            len(part.rows),
            part.known,
            _candidates(part, proposals, wanted),
            asker.is_checked(part.task),
            part.answered,
            (*part.notes, *_cut_texts(proposals)),
        )
        for part, proposals in zip(pool, told, strict=True)
    }


def draw_rows(pool: Sequence[PoolTask], most: int, seed: int) -> list[PoolTask]:
    """At most `most` lines of the file, drawn by the seed and the same for all tasks; every task says so. The tasks
    take turns, so that one with few new rows is not left without any."""
    lines = sorted({row.line for part in pool for row in part.rows})
    if len(lines) <= most:
        return list(pool)
    order = np.random.default_rng(seed).permutation(lines).tolist()
    own = [{row.line for row in part.rows} for part in pool]
    turns = zip_longest(*([line for line in order if line in held] for held in own))
    drawn = set(list(dict.fromkeys(line for turn in turns for line in turn if line is not None))[:most])
    found = []
    for part in pool:
        kept = [row for row in part.rows if row.line in drawn]
        said = Problem("rows", "annotate.drawn", {"rows": len(part.rows), "asked": len(kept)}, "note")
        notes = (*part.notes, said) if len(kept) < len(part.rows) else part.notes
        found.append(replace(part, rows=kept, notes=notes))
    return found


def _cut_texts(proposals: dict[int, Proposal]) -> list[Problem]:
    count = sum(one.is_cut for one in proposals.values())
    return [Problem("rows", "annotate.cut", {"rows": count}, "warning")] if count else []


def _candidates(part: PoolTask, proposals: dict[int, Proposal], wanted: Sequence[int]) -> tuple[Candidate, ...]:
    rows = {row.line: row for row in part.rows}
    kept = [line for line in wanted if line in proposals]
    return tuple(
        Candidate(
            number, line, rows[line].inputs, found.answer, found.confidence, found.disagreement, is_cut=found.is_cut
        )
        for number, line in enumerate(kept, 1)
        for found in [proposals[line]]
    )

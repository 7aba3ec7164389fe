"""A trained run learns one more task from a few rows: skills frozen, only the new allocation row is trained.

The new row starts as a copy of the known task whose row answers the new rows best. Old tasks answer as before, bit
for bit. A curve over 5, 10, 20, 50 rows, each drawn several times, shows how many rows are worth collecting. Needs
torch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from core.asking.grown_run import GrownRun, join_task, write_grown_run
from core.asking.trained import load_trained, require_adapter
from core.base.errors import RunError, SettingError, require_between
from core.evaluation.certainty import Certainty
from core.evaluation.choosing import Given
from core.evaluation.exam import TUNED, Examiner
from core.evaluation.intervals import Score
from core.evaluation.metrics import score
from core.runs.folder import RunFolder
from core.tasks.dataset import Example, TaskDataset, load_saved_dataset
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit
from core.training.examining import exam_settings
from core.training.optimisation import learning_rates
from core.training.session import build_encoder
from core.training.validation import note_gates

OnProgress = Callable[[int, int], None]  # (steps so far, steps in all, of all trials)
CHECK_EVERY = 5  # steps
CHECK_ROWS = 24  # labelled rows beside the practised ones; more say little more and cost time
PATIENCE = 4  # checks without a better one, then it is over


@dataclass(frozen=True)
class AddSettings:
    """counts: rows to learn from, one point of the curve each. seeds: draws a point. steps: of the optimizer.

    `with_private` also trains a private skill of the task's own, where the method has one.
    """

    counts: tuple[int, ...] = (5, 10, 20, 50)
    seeds: int = 3
    steps: int = 60
    batch_size: int = 8
    exam_rows: int = 100
    with_private: bool = True

    def __post_init__(self) -> None:
        require_between("seeds", self.seeds, 1, 100)
        require_between("steps", self.steps, 1, 100_000)
        if not self.counts or min(self.counts) < 1:
            raise SettingError("serving.bad_value", name="rows", value=self.counts, low=1, high="...")


@dataclass(frozen=True)
class AddOutcome:
    """`run_dir` holds the run with one more task. `untrained` is the score with the nearest task's row as it is,
    `curve` the scores by number of rows and draw (0..1), `nearest` known tasks and their rows' loss, best first.
    `check_rows`: labelled rows besides, which choose the state that every trial keeps.
    """

    run_dir: str
    metric: str
    nearest: list[tuple[str, float]]
    untrained: float
    curve: dict[int, list[float]]
    final: Score
    check_rows: int


def add_task_to_run(
    folder: RunFolder, new: TaskDataset, settings: AddSettings, on_progress: OnProgress
) -> AddOutcome:
    """Teaches a run the single task in `new` and writes a new run beside it; the old one stays as it is.

    Raises:
        RunError: the run has the task already, or has no trained adapter.
        ModelError: nothing in the method belongs to a single task.
    """
    require_adapter(folder)
    dataset = load_saved_dataset(folder.data_dir)
    if new.tasks[0].name in dataset.names():
        raise RunError("insight.has_task", run=folder.run_id, task=new.tasks[0].name)
    if not new.split(0, "train") or not new.split(0, "test"):
        raise RunError("insight.few_rows", task=new.tasks[0].name)
    return Learner(folder, dataset, new, settings).learn(on_progress)


class Learner:
    """A loaded run with one row more, trained from the same start again and again."""

    def __init__(self, folder: RunFolder, dataset: TaskDataset, new: TaskDataset, settings: AddSettings) -> None:
        self.folder, self.dataset, self.new, self.settings = folder, dataset, new, settings
        trained = load_trained(folder)
        self.config, self.device = trained.config, trained.device
        self.base, self.model = trained.base, trained.model
        self.answers = AnswerModel(self.model)
        self.answers.eval()  # no noise, no dropout: a few rows are learned exactly
        self.asked = replace(exam_settings(self.config), max_rows=settings.exam_rows)
        self.questions = new.split(0, "test")[: settings.exam_rows]
        self.certainty: Certainty | None = None

    def learn(self, on_progress: OnProgress) -> AddOutcome:
        """All trials; the last one, on the most rows, becomes the new run."""
        self.model.adapter.train_only_task(0, self.settings.with_private)  # refuses methods without rows a task
        nearest = self.rank_known_tasks()
        task = self.model.adapter.add_task(like=nearest[0][0], seed=self.config.seed)
        self.model.tasks.append(self.new.tasks[0].name)
        self.model.eval()
        start = copy.deepcopy(self.model.adapter.state_dict())
        counts = sorted({min(count, len(self.new.split(0, "train"))) for count in self.settings.counts})
        untrained = self.score_of(self.exam(task, self.draw(counts[-1], 0))).value
        trials = [(count, seed) for count in counts for seed in reversed(range(self.settings.seeds))]
        curve: dict[int, list[float]] = {count: [] for count in counts}
        given: list[Given] = []
        for done, (count, seed) in enumerate(trials, 1):
            self.model.adapter.load_state_dict(start)
            rows = self.draw(count, seed)
            self.train(task, rows, partial(self._step, on_progress, done - 1, len(trials)))
            given = self.exam(task, rows, is_last=done == len(trials))
            curve[count].append(self.score_of(given).value)
            self._step(on_progress, done, len(trials), 0)
        seen = [answered_as(task, batch) for batch in self.batches(self.check_rows or rows)]
        note_gates(self.answers, seen, [task])  # for the map, where weights depend on the question
        dataset = join_task(self.dataset, self.new, rows)
        grown = GrownRun(self.model, dataset, self.questions, given, self.certainty)
        run_dir = write_grown_run(self.folder, grown)
        names = [(self.dataset.tasks[row].name, loss) for row, loss in nearest]
        metric, check_rows = self.new.tasks[0].metric, len(self.check_rows)
        return AddOutcome(str(run_dir), metric, names, untrained, curve, self.score_of(given), check_rows)

    @property
    def check_rows(self) -> list[Example]:
        return self.new.split(0, "validation")[:CHECK_ROWS]

    def rank_known_tasks(self) -> list[tuple[int, float]]:
        """(task index, mean loss a token of the new rows under that task's row), best first."""
        batch = self.batches(self.draw(max(self.settings.counts), 0))[0]
        self.answers.agrees(answered_as(0, batch))  # whether the short head is right
        with torch.no_grad():
            losses = [(task, float(self.loss(task, batch))) for task in range(len(self.dataset.tasks))]
        return sorted(losses, key=lambda pair: pair[1])

    def _step(self, on_progress: OnProgress, trials: int, total: int, step: int) -> None:
        """Tells steps: a single trial takes minutes."""
        on_progress(trials * self.settings.steps + step, total * self.settings.steps)

    def train(self, task: int, rows: list[Example], on_step: Callable[[int], None] = lambda _: None) -> None:
        """A fresh optimizer without weight decay, so that the rows of old tasks do not move by a bit. Kept is the
        state with the lowest loss on the check rows; without check rows the last."""
        rates = learning_rates(self.model, self.config, stage=1)
        groups = self.model.adapter.train_only_task(task, self.settings.with_private)
        optimizer = torch.optim.AdamW(
            [{"params": group, "lr": rates[name]} for name, group in groups.items() if group], weight_decay=0.0
        )
        batches, best = self.batches(rows), _BestState([p for group in groups.values() for p in group])
        check = self.batches(self.check_rows)
        for step in range(self.settings.steps):
            if check and step % CHECK_EVERY == 0 and best.is_over(self.check_loss(task, check)):
                break
            on_step(step)
            optimizer.zero_grad()
            self.loss(task, batches[step % len(batches)]).backward()
            optimizer.step()
        else:
            if check:
                best.is_over(self.check_loss(task, check))
        best.put_back()

    @torch.no_grad()
    def check_loss(self, task: int, batches: list[dict[str, Any]]) -> float:
        """Nats a token over all batches, answered as `task`."""
        losses = [self.answers(answered_as(task, batch)) for batch in batches]
        return float(torch.cat(losses).mean())

    def loss(self, task: int, batch: dict[str, Any]) -> torch.Tensor:
        """Mean nats a token of the answers in a batch, answered as `task`."""
        return self.answers(answered_as(task, batch)).mean()

    def batches(self, rows: list[Example]) -> list[dict[str, Any]]:
        few = TaskDataset(self.new.tasks, {(0, "train"): rows})
        encoded = EncodedSplit(few, "train", build_encoder(self.base, self.config))
        return [
            {k: v.to(self.device) if isinstance(v, torch.Tensor) else v for k, v in batch.items()}
            for batch in encoded.batches(self.settings.batch_size)
        ]

    def draw(self, count: int, seed: int) -> list[Example]:
        """Rows of a trial; the same seed's smaller draws are parts of its larger ones."""
        rows = self.new.split(0, "train")
        return [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))[:count]]

    def exam(self, task: int, rows: list[Example], is_last: bool = False) -> list[Given]:
        """Answers to the exam, chosen and written as the exam of a run and the chat do. The labels are those that
        the practised `rows` and the check set have. How sure the answers are is measured for the last trial."""
        dataset = join_task(self.dataset, self.new, rows)
        examiner, given = Examiner(self.base, self.model, self.asked), [Given("")] * len(self.questions)
        labels = examiner.choosing.label_set(dataset, task) if self.asked.only_labels else None
        if is_last and labels is not None:
            self.certainty = examiner.choosing.certainty_of(dataset, task)
        prompts = [question.prompt for question in self.questions]
        if labels is not None:
            sure = self.certainty if is_last else None
            groups = examiner.choosing.choose_all(labels, prompts, {task: 1.0}, True, sure)
        else:
            groups = examiner.give_all(dataset, task, prompts, TUNED)
        for places, found in groups:
            for place, one in zip(places, found, strict=True):
                given[place] = one
        return given

    def score_of(self, given: list[Given]) -> Score:
        texts = [one.text for one in given]
        return score(self.new.tasks[0].metric, texts, [question.target for question in self.questions])


def answered_as(task: int, batch: dict[str, Any]) -> dict[str, Any]:
    return {**batch, "task_ids": [task] * len(batch["task_ids"])}


class _BestState:
    """The values of some parameters when the check loss was lowest."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        self._parameters, self._kept = parameters, list[torch.Tensor]()
        self._lowest, self._checks_since = math.inf, 0

    def is_over(self, loss: float) -> bool:
        """Notes a check; True when PATIENCE of them in a row were no better than one before."""
        if loss < self._lowest:
            self._lowest, self._checks_since = loss, 0
            self._kept = [p.detach().clone() for p in self._parameters]
        else:
            self._checks_since += 1
        return self._checks_since >= PATIENCE

    @torch.no_grad()
    def put_back(self) -> None:
        for parameter, kept in zip(self._parameters, self._kept, strict=False):
            parameter.copy_(kept)

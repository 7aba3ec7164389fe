"""How many check rows a run answers rightly while it trains: the exam's own metrics, on the check set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.evaluation.exam import TUNED, Examiner
from core.evaluation.metrics import score
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.dataset import TaskDataset
from core.training.config import RunConfig
from core.training.examining import exam_settings
from core.training.plan import SCORED_ROWS

TIE = 1e-4  # what a nat of check loss counts beside the score: less than one row of a hundred tasks


@dataclass(frozen=True)
class CheckScores:
    """Answers the first check rows of every task with the model as it is.

    Args:
        base: the loaded base model inside `model`.
    """

    base: LoadedBase
    model: ModularModel
    dataset: TaskDataset
    config: RunConfig

    def measure(self) -> float | None:
        """Mean score (0..1) over the tasks that have check rows, in evaluation mode; the training mode is restored.
        None without any."""
        was_training = self.model.training
        self.model.eval()
        examiner = Examiner(self.base, self.model, replace(exam_settings(self.config), with_base=False))
        found = [self._score(examiner, task) for task in range(len(self.dataset.tasks))]
        self.model.train(was_training)
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None

    def _score(self, examiner: Examiner, task: int) -> float | None:
        rows = self.dataset.split(task, "validation")[: min(SCORED_ROWS, self.config.validation_rows)]
        if not rows:
            return None
        prompts, answers = [row.prompt for row in rows], [""] * len(rows)
        labels = examiner.choosing.label_set(self.dataset, task) if examiner.settings.only_labels else None
        if labels is None:
            groups = examiner.give_all(self.dataset, task, prompts, TUNED)
        else:  # how sure an answer is costs more check rows and is asked for in the exam only
            groups = examiner.choosing.choose_all(labels, prompts, {task: 1.0}, True, None)
        for places, given in groups:
            for place, one in zip(places, given, strict=True):
                answers[place] = one.text
        return float(score(self.dataset.tasks[task].metric, answers, [row.target for row in rows]).value)


def value_of(loss: float | None, score: float | None) -> float | None:
    """What the best adapter has least of: the check loss or, where answers were scored, the share that is wrong;
    of equal shares the smaller loss counts."""
    return loss if score is None else 1.0 - score + TIE * (loss or 0.0)

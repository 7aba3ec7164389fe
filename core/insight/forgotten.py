"""What a run forgot, as sentences, and whether to warn before it is shared. Torch-free; measured by
`evaluation.forgetting`. Runs without an exam and those of older versions lack the record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from core.base.records import read_record
from core.evaluation.intervals import wilson
from core.messages import Sentence
from core.runs.folder import RunFolder

MORE_LOSS = 0.1  # nats a token, a tenth more surprise: what a reader of its texts may notice
FEW_LOST = 3  # right answers lost, from which on it is no accident of a single question
LOST_SHARE = 0.2  # and of those that were right before
_TONES = {"forgot.text": "warn", "forgot.answers": "warn", "forgot.no_text": "ok", "forgot.no_answers": "ok"}


@dataclass(frozen=True)
class TaskLoss:
    """Nats a token of the general texts when read as a task; `change` is after minus before."""

    task: str
    loss: float
    change: float
    low: float
    high: float


@dataclass(frozen=True)
class TaskAnswer:
    task: str
    text: str
    right: bool


@dataclass(frozen=True)
class AskedQuestion:
    """A general question with the untouched model's answer and those of the trained one, by task."""

    language: str
    question: str
    right: tuple[str, ...]
    base: str
    base_right: bool
    tuned: tuple[TaskAnswer, ...]


@dataclass(frozen=True)
class Forgetting:
    """The record of a run; `base_loss` in nats a token."""

    base_loss: float
    tasks: tuple[TaskLoss, ...]
    questions: tuple[AskedQuestion, ...]

    @property
    def worst(self) -> TaskLoss:
        """The task as which general text surprises most, among those that surely read it worse if there are any."""
        return max(self.tasks, key=lambda task: (task.low > 0, task.change))

    @property
    def most_open(self) -> TaskLoss:
        """The task as which general text may surprise most: by the upper end of its interval."""
        return max(self.tasks, key=lambda task: task.high)

    @property
    def num_right(self) -> int:
        """Questions that the untouched model answered right."""
        return sum(question.base_right for question in self.questions)

    def lost(self, task: str) -> list[AskedQuestion]:
        """Questions that were right before and are wrong when answered as the task."""
        asked = [question for question in self.questions if question.base_right]
        return [question for question in asked if any(a.task == task and not a.right for a in question.tuned)]

    @property
    def most_lost(self) -> str:
        """The task as which most right answers were lost."""
        return max((task.task for task in self.tasks), key=lambda name: len(self.lost(name)))

    @property
    def surprises_more(self) -> bool:
        """Whether general text is read clearly worse: surely, and by enough to be noticed."""
        return self.worst.low > 0 and self.worst.change >= MORE_LOSS

    @property
    def reads_as_before(self) -> bool:
        """Whether it is known of every task that general text is not read worse by what may be noticed."""
        return all(task.high < MORE_LOSS for task in self.tasks)

    @property
    def keeps_answers(self) -> bool:
        """Whether so many answers were kept that a share worth a warning is ruled out."""
        lost = len(self.lost(self.most_lost))
        return self.num_right > 0 and wilson(lost / self.num_right, self.num_right)[1] < LOST_SHARE

    @property
    def loses_answers(self) -> bool:
        lost = len(self.lost(self.most_lost))
        return lost >= FEW_LOST and lost >= LOST_SHARE * self.num_right

    @property
    def is_warning(self) -> bool:
        return self.surprises_more or self.loses_answers


def read_forgetting(run_dir: Path) -> Forgetting | None:
    """The record of a run; None where it was not measured.

    Raises:
        WorkspaceError: the file is damaged.
    """
    path = RunFolder(run_dir).forgetting_path
    return read_record(Forgetting, path) if path.is_file() else None


def describe_forgetting(found: Forgetting) -> list[Sentence]:
    """General text, then general questions, each in one sentence: worse, as before, or that it cannot be told."""
    return [_about_text(found), _about_answers(found)]


def tell_forgetting(found: Forgetting) -> list[Sentence]:
    """All that documents say: the warning, if there is cause for one, and what was measured."""
    return [*([warning_of(found)] if found.is_warning else []), *describe_forgetting(found)]


def warning_of(found: Forgetting) -> Sentence:
    """What was lost, in one sentence: a model that never knew the answers has forgotten none."""
    return Sentence("forgot.warning" if found.loses_answers else "forgot.warning_text")


def describe_warning(found: Forgetting) -> list[Sentence]:
    """What others should know before they get the model: the warning and its reasons; [] without one."""
    if not found.is_warning:
        return []
    reasons = zip(describe_forgetting(found), (found.surprises_more, found.loses_answers), strict=True)
    return [warning_of(found), *(said for said, counts in reasons if counts)]


def tone_of(said: Sentence) -> str:
    """How a sentence of `describe_forgetting` is shown: warn, ok, or info for what is neither good nor bad."""
    return _TONES.get(said.key, "info")


def _about_text(found: Forgetting) -> Sentence:
    if found.surprises_more:
        ratio = math.exp(found.worst.change)
        return Sentence("forgot.text", {**_losses(found, found.worst), "times": f"{ratio:.{int(ratio < 10)}f}"})
    if found.reads_as_before:
        return Sentence("forgot.no_text", _losses(found, found.most_open))
    task = found.most_open
    ends = {"low": f"{task.low:+.2f}", "high": f"{task.high:+.2f}", "much": f"{MORE_LOSS:+.2f}"}
    return Sentence("forgot.unsure_text", {**_losses(found, task), **ends})


def _losses(found: Forgetting, task: TaskLoss) -> dict[str, str]:
    return {"task": task.task, "before": f"{found.base_loss:.2f}", "after": f"{task.loss:.2f}"}


def _about_answers(found: Forgetting) -> Sentence:
    right, asked = found.num_right, len(found.questions)
    if right == 0:
        return Sentence("forgot.never_knew", {"asked": asked})
    task = found.most_lost
    values = {"right": right, "asked": asked, "lost": len(found.lost(task)), "task": task}
    if found.loses_answers:
        return Sentence("forgot.answers", values)
    much = {"share": f"{100 * LOST_SHARE:.0f}"}
    return Sentence("forgot.no_answers" if found.keeps_answers else "forgot.unsure_answers", {**values, **much})

"""What training again with more rows is expected to bring, from exams of the same training on fewer rows.
Torch-free; measured by `core.asking.learning_curve`.

<run>/probes/curve.json: {tasks: [{task, metric, rows [S], scores [S], exam_rows, drawn [D][S]}]}: practice rows and
exam scores (0..1) at each of the S shares, smallest first, and the scores again on D draws of the exam's rows.

A power law e(n) = b n^-c (Hestness et al., "Deep Learning Scaling is Predictable, Empirically", arXiv 1712.00409)
is fitted to the errors e = 1 - score. What is told is the fall of that line, with the middle 90 % of what the draws
give. Three points and one training each say little: nothing is told further than twice the rows, nor where
the range holds zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.base.errors import RunError
from core.base.files import read_json
from core.insight.annotation import read_queue
from core.insight.training_again import exam_answers, require_examined
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.tasks.enough import FEW_EXAM
from core.tasks.store import get_task
from core.workspace import Project

CURVE = "curve"
SHARES = (0.25, 0.5, 1.0)
LEAST_EXAM, LEAST_ROWS = FEW_EXAM, 12  # below them nothing is told; a quarter of 12 rows is 3
SPAN = (5.0, 95.0)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class TaskCurve:
    """One task: practice rows, exam scores 0..1, and scores on draws of the exam's rows [draws, shares]."""

    task: str
    metric: str
    rows: tuple[int, ...]
    scores: tuple[float, ...]
    exam_rows: int
    drawn: tuple[tuple[float, ...], ...]

    @property
    def is_full(self) -> bool:
        """Whether the exam found nothing wrong with all rows: no gain could be seen in it."""
        return self.scores[-1] > 1.0 - 0.5 / self.exam_rows


@dataclass(frozen=True)
class Gain:
    """In points of 100: what the line says, and the middle 90 % of the draws."""

    points: float
    low: float
    high: float

    @property
    def is_told(self) -> bool:
        """Whether it is a gain on nearly all draws, one that can be written with one place."""
        return round(self.low, 1) > 0


def read_curve(run_dir: Path, task: str) -> TaskCurve | None:
    """None where it was not measured for the run, or not for this task."""
    path = RunFolder(run_dir).probe_path(CURVE)
    found = read_json(path)["tasks"] if path.is_file() else []
    for one in found:
        if one["task"] == task:
            drawn = tuple(tuple(draw) for draw in one["drawn"])
            return TaskCurve(**{**one, "rows": tuple(one["rows"]), "scores": tuple(one["scores"]), "drawn": drawn})
    return None


def require_curve(folder: RunFolder, tasks: Sequence[str]) -> None:
    """Raises:
    RunError: no curve can be measured of the run, or nothing could be told of any of these tasks by it, which is
    known before anything is trained."""
    require_examined(folder)
    exams = {task: len(answers) for task, answers in exam_answers(folder).items()}
    told = [task for task in tasks if exams.get(task, 0) >= LEAST_EXAM]
    if not told:
        few = max(tasks, key=lambda task: exams.get(task, 0))
        raise RunError("insight.curve_few_exam", task=few, rows=exams.get(few, 0), least=LEAST_EXAM)
    practice = {str(task["name"]): int(task.get("num_train", LEAST_ROWS)) for task in folder.read_task_records()}
    few = max(told, key=lambda task: practice[task])
    if practice[few] < LEAST_ROWS:
        raise RunError("insight.curve_few_rows", task=few, rows=practice[few], least=LEAST_ROWS)


def expect_gain(curve: TaskCurve, more: int) -> Gain:
    """What `more` rows bring beyond the largest share's."""
    falls = fitted_falls(np.array([curve.scores, *curve.drawn]), np.array(curve.rows, float), curve.exam_rows, more)
    low, high = np.percentile(falls[1:], SPAN)
    return Gain(float(falls[0]), float(low), float(high))


def fitted_falls(scores: Array, rows: Array, exam_rows: int, more: int) -> Array:
    """[k]: by how many points the fitted error falls with `more` rows, never beyond scores of 0 and 100; scores
    [k, shares] at `rows` [shares]."""
    least = 0.5 / exam_rows  # an error of none of so few rows may be half a row's
    logs, places = np.log(np.clip(1.0 - scores, least, None)), np.log(rows)
    centred = places - places.mean()
    slope = (logs * centred).sum(1) / (centred**2).sum()
    last = np.exp(logs.mean(1) + slope * centred[-1])
    falls: Array = 100 * last * (1.0 - ((rows[-1] + more) / rows[-1]) ** slope)
    left = 100 * (1.0 - scores[:, -1])
    kept: Array = np.clip(falls, left - 100, left)
    return kept


def describe_payoff(project: Project, folder: RunFolder, task_id: str) -> list[Sentence]:
    """`describe_curve` for the rows that a task of the project has more than the run had, and those that wait to be
    answered.

    Raises:
        WorkspaceError: no such task now; its queue is damaged.
    """
    frozen = next(spec for spec in folder.read_tasks() if spec.task_id == task_id)
    queue, now = read_queue(project, task_id), get_task(project, task_id)
    more = max(0, now.num_train - frozen.num_train) + (len(queue.open) if queue else 0)
    return describe_curve(folder.path, frozen.name, more)


def describe_curve(run_dir: Path, task: str, more: int) -> list[Sentence]:
    """Whether training again pays off for a task, with `more` new rows and with twice its rows; where that cannot
    be known, a sentence that says so and why."""
    curve = read_curve(run_dir, task)
    if curve is None:
        return [Sentence("says.curve_unknown", {"task": task})]
    if curve.exam_rows < LEAST_EXAM:
        return [Sentence("says.curve_few_exam", {"task": task, "rows": curve.exam_rows, "least": LEAST_EXAM})]
    if curve.rows[-1] < LEAST_ROWS:
        return [Sentence("says.curve_few_rows", {"task": task, "rows": curve.rows[-1], "least": LEAST_ROWS})]
    most, said = curve.rows[-1], []
    twice = expect_gain(curve, most)
    if not twice.is_told or curve.is_full:
        said.append(_why_untold(curve, twice))
    else:
        if 0 < more < most:
            said.append(
                Sentence("says.curve_more", {"task": task, "more": more, **_numbers(expect_gain(curve, more))})
            )
        said.append(Sentence("says.curve_twice", {"task": task, "rows": 2 * most, **_numbers(twice)}))
        if more > most:
            said.append(Sentence("says.curve_too_far", {"more": more}))
    told = [f"{n}: {100 * score:.1f}" for n, score in zip(curve.rows, curve.scores, strict=True)]
    return [*said, Sentence("says.curve_how", {"told": ", ".join(told), "rows": curve.exam_rows})]


def _why_untold(curve: TaskCurve, twice: Gain) -> Sentence:
    """Why no gain is told."""
    task, told = curve.task, _numbers(twice)
    if curve.is_full:
        return Sentence("says.curve_full", {"task": task})
    if twice.high < 0:
        return Sentence("says.curve_fell", {"task": task})
    if told["low"] == told["high"]:  # rows that all say the same do not vary when they are drawn again
        return Sentence("says.curve_same", {"task": task})
    return Sentence("says.curve_chance", {"task": task, "low": told["low"], "high": told["high"]})


def _numbers(gain: Gain) -> dict[str, str]:
    """One place; a zero has no sign."""
    return {name: f"{round(getattr(gain, name), 1) + 0.0:.1f}" for name in ("points", "low", "high")}

"""The rehearsal: twenty steps, a check and a few exam answers of the real run, and what they tell about the whole.

Memory is that of the longest batch the tasks can make, so a run whose rehearsal fits will not run out of it later.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.evaluation.exam import TUNED, Examiner
from core.training.config import RunConfig
from core.training.examining import exam_settings
from core.training.manifest import TrainingState
from core.training.pace import Pace
from core.training.plan import RunPlan, plan_run
from core.training.record import peak_memory_mb
from core.training.reporting import Journal, RunPaths
from core.training.session import Prepared, prepare
from core.training.stage import run_stage
from core.training.trainer import Shard
from core.training.validation import to_device

STEPS = 20
EXAM_LOW = 0.25  # a trained model ends most answers early; an untrained one writes to the limit
SPREAD = 0.15  # other work on the machine during a long run
MEMORY_SPREAD = 0.1
ALONG = 6.0  # passes over the check rows after training, to weigh the skills


@dataclass(frozen=True)
class Prediction:
    """Seconds and megabytes of the whole run as (low, likely, high), and what they were made from. `parts`:
    likely seconds of each (`core/runs/speeds.PARTS`)."""

    seconds: tuple[float, float, float]
    memory_mb: tuple[float, float, float]
    step_s: float
    check_s: float
    answer_s: float
    prepare_s: float
    steps: int
    checks: int
    questions: int
    parts: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rehearse(paths: RunPaths, config: RunConfig, journal: Journal) -> Prediction:
    """Runs the rehearsal of `config` in this process.

    Raises:
        Everything that the run itself would raise in its first minutes.
    """
    began = time.monotonic()
    short = replace(
        config, max_steps=STEPS, stage2_steps=0, evaluate_every=STEPS, checkpoint_every=10 * STEPS, patience=None
    )
    prepared = prepare(paths, short, journal, Shard())
    prepare_s = time.monotonic() - began
    work = prepared.work
    _longest_batch(prepared)
    run_stage(work, 1, TrainingState(stage=1), None)
    exam = _time_exam(prepared, config)
    plan = plan_run(config, prepared.dataset)
    return _predict(plan, work.pace, exam, prepare_s)


@dataclass(frozen=True)
class _Exam:
    """Seconds of all answers: at least, and at most; how many questions they are."""

    low_s: float
    high_s: float
    questions: int


def _predict(plan: RunPlan, pace: Pace, exam: _Exam, prepare_s: float) -> Prediction:
    check_s = pace.check_seconds
    checks = sum(-(-stage.steps // stage.evaluate_every) + 1 for stage in plan.stages)
    ordered = sorted(pace.step_seconds)
    likely = statistics.fmean(ordered)
    low, high = (ordered[round(q * (len(ordered) - 1))] for q in (0.25, 0.75))
    fixed = prepare_s + (checks + ALONG) * check_s
    exam_s, total = (exam.low_s + exam.high_s) / 2, plan.total_steps
    seconds = (
        (1 - SPREAD) * (fixed + total * min(low, likely)) + exam.low_s,
        fixed + total * likely + exam_s,
        (1 + SPREAD) * (fixed + total * max(high, likely)) + exam.high_s,
    )
    memory = peak_memory_mb()
    return Prediction(
        (round(seconds[0], 1), round(seconds[1], 1), round(seconds[2], 1)),
        (round(memory * (1 - MEMORY_SPREAD)), round(memory), round(memory * (1 + MEMORY_SPREAD))),
        likely,
        check_s,
        exam.high_s / max(1, exam.questions),
        prepare_s,
        total,
        checks,
        exam.questions,
        {"prepare": prepare_s, "training": total * likely + checks * check_s, "rest": ALONG * check_s + exam_s},
    )


def _longest_batch(prepared: Prepared) -> None:
    """One forward and backward pass over the longest examples: the most memory the run will need."""
    work = prepared.work
    places = sorted(work.train.places(), key=work.train.length, reverse=True)[: work.batch_plan.rows_at_once]
    batch = to_device(work.train.collate(places), work.device)
    work.model.train()
    work.model(batch).mean().backward()
    work.model.zero_grad()


def _time_exam(prepared: Prepared, config: RunConfig) -> _Exam:
    """A batch of each task's questions is answered as in the exam. Labels are chosen at one price; what is written
    goes to its limit at most, and much less far once the model has learned to end."""
    settings = exam_settings(config)
    examiner = Examiner(prepared.base, prepared.work.model.modular.eval(), settings)
    low, high, questions = 0.0, 0.0, 0
    for task in range(len(prepared.dataset.tasks)):
        rows = prepared.dataset.split(task, "test")
        wanted = len(rows) if settings.max_rows is None else min(settings.max_rows, len(rows))
        prompts = [example.prompt for example in rows[: settings.batch_size]]
        if not prompts or not wanted:
            continue
        chosen = settings.only_labels and examiner.choosing.label_set(prepared.dataset, task) is not None
        began = time.monotonic()
        if chosen:  # how sure its answers are is found out once
            examiner.choosing.certainty_of(prepared.dataset, task)
        once, began = time.monotonic() - began, time.monotonic()
        list(examiner.give_all(prepared.dataset, task, prompts, TUNED))
        asked = wanted * (2 if settings.with_base else 1)
        spent = (time.monotonic() - began) / len(prompts) * asked
        low, high, questions = (
            low + once + spent * (1 if chosen else EXAM_LOW),
            high + once + spent,
            questions + asked,
        )
    return _Exam(low, high, questions)

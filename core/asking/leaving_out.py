"""Which tasks teach which: the run is trained again without each task in turn, and the others' exams are compared.

    <run>/probes/leaveout_runs.json    {rules, runs: {"<task index>" | "seed": run id}}, kept while it is at work

The runs are ordinary runs of the project, made from the run's own frozen rows with its own settings. One more run
has all tasks and another seed: a change no larger than what it shows is the chance of training, not a lesson. A
left-out task is answered by the mean of the other tasks' rows, the honest guess of a model that never saw it. Torch
is only loaded for those answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.asking.child_runs import ChildRuns, OnProgress, Wanted
from core.base.files import write_json_atomic
from core.evaluation.metrics import compare, score
from core.insight.probe_table import CHANCE, LEAVE_OUT, probe_path
from core.insight.training_again import Answers, exam_answers, require_several_tasks
from core.runs.folder import RunFolder
from core.runs.together import OnStatuses
from core.runs.where import HERE, Engine
from core.tasks.dataset import TaskDataset, load_saved_dataset
from core.training.config import RunConfig

SEED = "seed"  # the run that leaves nothing out
SEED_STEP = 1000


@dataclass
class Plan:
    """The run, its frozen tasks, and the runs that were made of it so far: left-out task index or SEED -> run
    id."""

    folder: RunFolder
    dataset: TaskDataset
    config: RunConfig
    made: ChildRuns

    @property
    def places(self) -> list[str]:
        return [SEED, *map(str, range(len(self.dataset.tasks)))]


def run_leave_out(
    run_dir: Path, on_progress: OnProgress, engine: Engine = HERE, on_statuses: OnStatuses | None = None
) -> dict[str, Any]:
    """Trains T + 1 runs, in turn here or all at once on another engine, which `on_statuses` watches, and writes
    <run>/probes/leaveout.json in the form of `probe_table.py`.

    Goes on where it was interrupted.

    Raises:
        RunError: fewer than two tasks, no exam to compare with, or one of the runs did not succeed.
    """
    plan = _open_plan(RunFolder(run_dir))
    plan.made.train_all(plan.places, lambda place: _wanted(plan, place), on_progress, engine, on_statuses)
    outcome = _outcome(plan)
    write_json_atomic(probe_path(run_dir, LEAVE_OUT), outcome)
    plan.made.path.unlink()
    return outcome


def count_leave_out(run_dir: Path) -> int:
    """How many runs `run_leave_out` would start.

    Raises:
        RunError: fewer than two tasks, or no exam to compare with.
    """
    plan = _open_plan(RunFolder(run_dir))
    return plan.made.count_due(plan.places)


def _open_plan(folder: RunFolder) -> Plan:
    require_several_tasks(folder)
    dataset, config = load_saved_dataset(folder.data_dir), replace(folder.read_config(), exam_base=False)
    return Plan(folder, dataset, config, ChildRuns.open(folder, LEAVE_OUT, config))


def _wanted(plan: Plan, place: str) -> Wanted:
    dataset, config, name = plan.dataset, plan.config, str(plan.folder.read_run()["name"])
    if place == SEED:
        # No exam of its own: it answers the rows of the first run afterwards, like the others.
        return Wanted(f"{name} {CHANCE}", dataset, replace(config, seed=config.seed + SEED_STEP, exam_rows=0))
    kept = without_task(dataset, int(place))
    config = shorten(config, count_rows(kept) / max(1, count_rows(plan.dataset)))
    return Wanted(f"{name} - {plan.dataset.tasks[int(place)].name}", kept, config)


def without_task(dataset: TaskDataset, left_out: int) -> TaskDataset:
    """The tasks but one, with their rows; later tasks move up by one."""
    kept = [task for task in range(len(dataset.tasks)) if task != left_out]
    examples = {
        (new, split): rows
        for new, old in enumerate(kept)
        for (task, split), rows in dataset.examples.items()
        if task == old
    }
    return TaskDataset(tuple(dataset.tasks[task] for task in kept), examples)


def shorten(config: RunConfig, share: float) -> RunConfig:
    """Steps given as a number shrink with the rows, so that the other tasks are practised as often as before."""
    steps = {name: getattr(config, name) for name in ("max_steps", "stage2_steps")}
    return replace(config, **{name: max(1, round(value * share)) for name, value in steps.items() if value})


def count_rows(dataset: TaskDataset) -> int:
    return sum(dataset.sizes("train"))


def _outcome(plan: Plan) -> dict[str, Any]:
    """Cells [task][SEED or left-out task]: the score without minus the score with, paired by exam row."""
    from core.asking.probe_model import answer_rows  # torch

    names, before = plan.dataset.names(), exam_answers(plan.folder)
    made = {place: plan.made.made(place) for place in plan.places}
    rows = {task: [row for row, _ in before[name]] for task, name in enumerate(names)}
    after = {place: exam_answers(folder) for place, folder in made.items()}
    after[SEED] = {names[task]: found for task, found in answer_rows(made[SEED], plan.dataset, rows).items()}
    for place in plan.places[1:]:
        task = int(place)
        after[place][names[task]] = answer_rows(made[place], plan.dataset, {task: rows[task]}, unseen=True)[task]
    cells = [
        [_change(plan, task, before[name], after[place].get(name, {})) for place in plan.places]
        for task, name in enumerate(names)
    ]
    metrics = [spec.metric for spec in plan.dataset.tasks]
    scores = [
        score(metric, list(before[name].values()), [target for _, target in before[name]]).as_dict()
        for metric, name in zip(metrics, names, strict=True)
    ]
    return {
        "kind": LEAVE_OUT,
        "tasks": names,
        "metrics": metrics,
        "scores": scores,
        "columns": [CHANCE, *names],
        "cells": cells,
        "runs": plan.made.runs,
    }


def _change(plan: Plan, task: int, before: Answers, after: Answers) -> dict[str, Any] | None:
    shared = [key for key in before if key in after]
    if not shared:
        return None
    old, new = ([given[key] for key in shared] for given in (before, after))
    return compare(plan.dataset.tasks[task].metric, old, new, [target for _, target in shared]).as_dict()

"""Which tasks teach which: the run is trained again without each task in turn, and the others' exams are compared.

    <run>/probes/leaveout_runs.json    {rules, runs: {"<task index>" | "seed": run id}}, kept while it is at work

The runs are ordinary runs of the project, made from the run's own frozen rows with its own settings. One more run
has all tasks and another seed: a change no larger than what it shows is the chance of training, not a lesson. A
left-out task is answered by the mean of the other tasks' rows, the honest guess of a model that never saw it. Torch
is only loaded for those answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.base.errors import RunError, WorkspaceError
from core.base.files import new_id, read_json, write_json_atomic
from core.base.folders import whole_folder
from core.evaluation.metrics import compare, score
from core.insight.probe_table import CHANCE, LEAVE_OUT, probe_path
from core.runs.creation import fill_run
from core.runs.folder import RunFolder
from core.runs.launching import resume_run, start_run
from core.runs.liveness import run_state
from core.runs.states import DRAFT, INTERRUPTED, SUCCEEDED, RunStatus
from core.runs.together import run_together
from core.runs.where import HERE, Engine
from core.tasks.dataset import TaskDataset, load_saved_dataset
from core.training.config import RunConfig, config_to_dict

POLL_S = 0.5
PARTS = 1000  # progress is told in thousandths of all runs
SEED = "seed"  # the run that leaves nothing out
SEED_STEP = 1000
OnProgress = Callable[[int, int], None]
Answers = dict[tuple[int, str], str]  # (row, right answer) -> answer


@dataclass
class Plan:
    """The run, its frozen tasks, and the runs that were made of it so far: left-out task index or SEED -> run
    id."""

    folder: RunFolder
    dataset: TaskDataset
    config: RunConfig
    runs: dict[str, str]

    @property
    def places(self) -> list[str]:
        return [SEED, *map(str, range(len(self.dataset.tasks)))]

    @property
    def path(self) -> Path:
        return self.folder.left_out_path

    def save(self) -> None:
        write_json_atomic(self.path, {"rules": config_to_dict(self.config), "runs": self.runs})


def run_leave_out(run_dir: Path, on_progress: OnProgress, engine: Engine = HERE) -> dict[str, Any]:
    """Trains T + 1 runs, in turn here or all at once on another engine, and writes <run>/probes/leaveout.json in
    the form of `probe_table.py`.

    Goes on where it was interrupted.

    Raises:
        RunError: fewer than two tasks, no exam to compare with, or one of the runs did not succeed.
    """
    plan = _open_plan(RunFolder(run_dir))
    (_train_here if engine == HERE else partial(_train_there, engine=engine))(plan, on_progress)
    outcome = _outcome(plan)
    write_json_atomic(probe_path(run_dir, LEAVE_OUT), outcome)
    plan.path.unlink()
    return outcome


def _open_plan(folder: RunFolder) -> Plan:
    if not folder.adapter_dir.is_dir():
        raise RunError("serving.no_adapter", run=folder.run_id)
    if folder.read_results() is None:
        raise RunError("insight.no_results", run=folder.run_id)
    dataset, config = load_saved_dataset(folder.data_dir), folder.read_config()
    if len(dataset.tasks) < 2:
        raise RunError("insight.one_task", run=folder.run_id)
    plan = Plan(folder, dataset, replace(config, exam_base=False), {})
    plan.path.parent.mkdir(exist_ok=True)
    if plan.path.is_file():
        record = read_json(plan.path)
        if record["rules"] == config_to_dict(plan.config):
            plan.runs = dict(record["runs"])
    return plan


def _train_here(plan: Plan, on_progress: OnProgress) -> None:
    for number, place in enumerate(plan.places):
        _train(
            plan,
            place,
            lambda share, n=number: on_progress(  # type: ignore[misc]
                round(PARTS * (n + share)), PARTS * len(plan.places)
            ),
        )


def _train_there(plan: Plan, on_progress: OnProgress, engine: Engine) -> None:
    def tell(statuses: list[RunStatus]) -> None:
        on_progress(round(PARTS * sum(status.progress for status in statuses)), PARTS * len(statuses))

    run_together([_run_of(plan, place) for place in plan.places], engine, tell)


def _run_of(plan: Plan, place: str) -> RunFolder:
    """The run of one place, made if need be."""
    folder = _find_run(plan, place)
    if folder is None:
        folder = _make_run(plan, place)
        plan.runs[place] = folder.run_id
        plan.save()
    return folder


def _train(plan: Plan, place: str, on_share: Callable[[float], None]) -> None:
    """The run of one place, to its end."""
    folder = _run_of(plan, place)
    status = run_state(folder)
    if status.state in (DRAFT, INTERRUPTED):
        (resume_run if status.state == INTERRUPTED else start_run)(folder)
    while (status := run_state(folder)).is_live:
        on_share(status.progress)
        time.sleep(POLL_S)
    if status.state != SUCCEEDED:
        raise RunError("command.run_ended", run=folder.run_id, state=status.state)
    on_share(1.0)


def _find_run(plan: Plan, place: str) -> RunFolder | None:
    """A run that was made before and has not failed."""
    if place not in plan.runs:
        return None
    folder = RunFolder(plan.folder.path.with_name(plan.runs[place]))
    if not folder.run_path.is_file():
        return None
    status = run_state(folder)
    return None if status.is_terminal and status.state != SUCCEEDED else folder


def _make_run(plan: Plan, place: str) -> RunFolder:
    dataset, config, name = plan.dataset, plan.config, str(plan.folder.read_run()["name"])
    if place == SEED:
        # No exam of its own: it answers the rows of the first run afterwards, like the others.
        config = replace(config, seed=config.seed + SEED_STEP, exam_rows=0)
        label = f"{name} {CHANCE}"
    else:
        dataset = without_task(dataset, int(place))
        config = shorten(config, _rows(dataset) / max(1, _rows(plan.dataset)))
        label = f"{name} - {plan.dataset.tasks[int(place)].name}"
    run_id = new_id("r")
    final = plan.folder.path.with_name(run_id)
    more = {"run_id": run_id, "made_from": plan.folder.run_id, "part_of": f"{LEAVE_OUT}:{plan.folder.run_id}"}
    try:
        with whole_folder(final) as building:
            fill_run(RunFolder(building), label[:80], config, dataset, more, plan.folder)
    except OSError as error:
        raise WorkspaceError("workspace.read_only", path=str(final), detail=error.strerror or "") from error
    return RunFolder(final)


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


def _rows(dataset: TaskDataset) -> int:
    return sum(dataset.sizes("train"))


def _outcome(plan: Plan) -> dict[str, Any]:
    """Cells [task][SEED or left-out task]: the score without minus the score with, paired by exam row."""
    from core.asking.probe_model import answer_rows  # torch

    names, before = plan.dataset.names(), _answers(plan.folder)
    made = {place: RunFolder(plan.folder.path.with_name(plan.runs[place])) for place in plan.places}
    rows = {task: [row for row, _ in before[name]] for task, name in enumerate(names)}
    after = {place: _answers(folder) for place, folder in made.items()}
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
        "runs": plan.runs,
    }


def _answers(folder: RunFolder) -> dict[str, Answers]:
    """The tuned answers of a run by task."""
    found = {}
    for task in folder.read_run()["tasks"]:
        records = folder.read_predictions(int(task["index"]))
        found[str(task["name"])] = {(int(r["row"]), r["target"]): r["tuned"] for r in records if "tuned" in r}
    return found


def _change(plan: Plan, task: int, before: Answers, after: Answers) -> dict[str, Any] | None:
    shared = [key for key in before if key in after]
    if not shared:
        return None
    old, new = ([given[key] for key in shared] for given in (before, after))
    return compare(plan.dataset.tasks[task].metric, old, new, [target for _, target in shared]).as_dict()

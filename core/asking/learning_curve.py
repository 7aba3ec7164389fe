"""How scores grow with practice rows: the run is trained again on a quarter and on half of every task's rows.

    <run>/probes/curve_runs.json    {rules, runs: {share: run id}}, kept while it is at work

The smaller sets lie inside the larger ones, and are practised as often, so a shorter set has fewer steps, as when a
person trains before all rows are answered. What comes of it: `core.insight.learning_curve`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.asking.child_runs import ChildRuns, OnProgress, Wanted
from core.asking.leaving_out import count_rows, shorten
from core.base.files import write_json_atomic
from core.evaluation.metrics import METRICS, statistics
from core.insight.learning_curve import CURVE, SHARES
from core.insight.training_again import Answers, exam_answers, require_examined
from core.runs.folder import RunFolder
from core.tasks.dataset import TaskDataset, load_saved_dataset
from core.tasks.spec import TaskSpec

DRAWS = 200


def run_curve(run_dir: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Trains the smaller runs in turn and writes <run>/probes/curve.json. Goes on where it was interrupted.

    Raises:
        RunError: no exam to compare with, or one of the runs did not succeed.
    """
    folder = RunFolder(run_dir)
    require_examined(folder)
    dataset, config = load_saved_dataset(folder.data_dir), replace(folder.read_config(), exam_base=False)
    made = ChildRuns.open(folder, CURVE, config)
    name, places = folder.read_run()["name"], [str(share) for share in SHARES[:-1]]

    def wanted(place: str) -> Wanted:
        fewer = fewer_rows(dataset, float(place), config.seed)
        shorter = shorten(config, count_rows(fewer) / max(1, count_rows(dataset)))
        return Wanted(f"{name} {100 * float(place):.0f} %", fewer, shorter)

    made.train_all(places, wanted, on_progress)
    exams = [exam_answers(made.made(place)) for place in places] + [exam_answers(folder)]
    sizes = [fewer_rows(dataset, share, config.seed).sizes("train") for share in SHARES]
    outcome = {
        "tasks": [
            _measured(
                spec, [size[task] for size in sizes], [exam.get(spec.name, {}) for exam in exams], config.seed
            )
            for task, spec in enumerate(dataset.tasks)
        ],
        "runs": made.runs,
    }
    write_json_atomic(folder.probe_path(CURVE), outcome)
    made.path.unlink()
    return outcome


def fewer_rows(dataset: TaskDataset, share: float, seed: int) -> TaskDataset:
    """Every task with this share of its practice rows, at least one, in their order; the rest as it is."""
    examples = dict(dataset.examples)
    for task in range(len(dataset.tasks)):
        rows = dataset.split(task, "train")
        order = np.random.default_rng([seed, task]).permutation(len(rows))
        examples[task, "train"] = [rows[i] for i in sorted(order[: max(1, round(share * len(rows)))])]
    return replace(dataset, examples=examples)


def _measured(spec: TaskSpec, rows: list[int], exams: list[Answers], seed: int) -> dict[str, Any]:
    """Scores on the exam rows that all trainings answered, and on draws of them."""
    shared = [key for key in exams[-1] if all(key in exam for exam in exams)]
    num, targets = len(shared), [target for _, target in shared]
    draws = (
        np.random.default_rng(seed).multinomial(num, np.full(num, 1 / num), DRAWS) if shared else np.ones((0, 0))
    )
    counts, value = np.vstack([np.ones((1, num)), draws]), METRICS.get(spec.metric).value
    tables = [statistics(spec.metric, [exam[key] for key in shared], targets) for exam in exams]
    columns = [value(np.asarray(counts @ table, dtype=np.float64)) for table in tables]
    found = np.stack(columns, 1).tolist() if shared else [[0.0] * len(exams)]
    return {
        "task": spec.name,
        "metric": spec.metric,
        "rows": rows,
        "scores": found[0],
        "exam_rows": num,
        "drawn": found[1:],
    }

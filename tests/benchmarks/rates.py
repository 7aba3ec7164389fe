"""Which learning rates each method wants on a domain's tasks: the defaults and the study rest on it.

    PYTHONPATH=. python tests/benchmarks/rates.py --domain FOLDER --model FOLDER [--steps 140] [--seeds 0]
        [--leave-out TASK ...] [--trials cpoly:0.01 cpoly:0.03 "mta:0.03,adapter.rank=4" ...] [--output FILE]

A trial is `METHOD:RATE[,SETTING=VALUE ...]`; RATE is that of the skills (scaled by the model's width as in a run).
Prints the check loss (mean over tasks of nats an answer token) after stage 1, of the last adapter, and the
processor seconds. All trials see the same batches. Sizes are equal in active rank where the method has one.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from stages import Study, benchmark_parser, read_tasks, write_figures

from core.insight.study import Arm, arm_config
from core.insight.study import Study as StudyPlan
from core.tasks.dataset import TaskDataset
from core.training.config import RunConfig, change_config

TRIALS = [
    f"{method}:{rate}"
    for method in ("cpoly", "poly", "lora", "private_lora", "mta")
    for rate in ("0.005", "0.01", "0.02")
]


def config_of(trial: str, args: argparse.Namespace, seed: int, num_tasks: int) -> RunConfig:
    method, rest = trial.split(":", 1)
    rate, *changes = rest.split(",")
    config = change_config(
        RunConfig(base_model=str(args.model)),
        {
            "seed": seed,
            "num_threads": 1,
            "device": "cpu",
            "precision": "float32",
            "learning_rate_skills": float(rate),
        },
    )
    plan = StudyPlan("rates", config, (Arm("reference", "cpoly"), Arm(trial, method, tuple(changes))))
    return arm_config(plan, plan.arms[1], num_tasks)


def without(dataset: TaskDataset, names: list[str]) -> TaskDataset:
    """The dataset without some tasks, the others numbered anew."""
    kept = [index for index, task in enumerate(dataset.tasks) if task.name not in names]
    examples = {
        (kept.index(index), split): rows for (index, split), rows in dataset.examples.items() if index in kept
    }
    return TaskDataset(tuple(dataset.tasks[index] for index in kept), examples)


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as workspace:
        dataset = without(read_tasks(args.domain, args.rows, Path(workspace)), args.leave_out)
    found = []
    for seed in args.seeds:
        for trial in args.trials:
            study = Study(dataset, config_of(trial, args, seed, len(dataset.tasks)))
            losses = study.run(1, args.steps)
            found.append({"trial": trial, "seed": seed, "loss": losses["mean"], "losses": losses, **study.took})
            print(f"{trial:40s} seed {seed}  {losses['mean']:.4f}  {study.took['processor_s']:.0f} s", flush=True)
    return found


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--leave-out", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--trials", nargs="*", default=TRIALS)
    args = parser.parse_args()
    write_figures(measure(args), args.output)


if __name__ == "__main__":
    main()

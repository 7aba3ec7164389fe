"""What stage 2 brings: one stage 1, then stage 2 from its end again and again, with other rates and lengths.

    PYTHONPATH=. python tests/benchmarks/stage_two.py --domain FOLDER --model FOLDER [--method cpoly] [--rows 160]
        [--trials 0.15:0.01 0.15:0.1 0.15:0.3] [--longer 0.15]

Prints the check loss (mean over tasks of nats an answer token) after stage 1 and after each trial `SHARE:RATE`,
SHARE in steps of stage 1. `--longer` also trains another stage 1 that is longer by that share: what the time of
stage 2 would buy there. The adapter is the last one, not the best by the check, so that a stage that harms is seen.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from stages import Study, benchmark_parser, read_tasks, write_figures

from core.training.config import RunConfig, change_config
from core.training.plan import plan_run


def measure(args: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as workspace:
        dataset = read_tasks(args.domain, args.rows, Path(workspace))
    config = change_config(
        RunConfig(base_model=str(args.model)),
        {"method": args.method, "seed": args.seed, "num_threads": args.threads, "device": "cpu"},
    )
    study = Study(dataset, config)
    steps = plan_run(change_config(config, {"epochs": 1.0, "mixture": "proportional"}), dataset).stages[0].steps
    start = study.state()
    found: dict[str, Any] = {"steps": steps, "stage 1": study.run(1, steps)}
    say("stage 1", found["stage 1"])
    end = study.state()
    for trial in args.trials:
        share, rate = (float(part) for part in trial.split(":"))
        study.answers.modular.adapter.load_state_dict(end)
        found[trial] = study.run(2, max(1, round(share * steps)), micro=steps, stage2_learning_rate=rate)
        say(f"stage 2, {trial}", found[trial])
    if args.longer:
        study.answers.modular.adapter.load_state_dict(start)
        found["longer"] = study.run(1, round((1 + args.longer) * steps))
        say(f"stage 1, {1 + args.longer:g} x as long", found["longer"])
    return found


def say(name: str, losses: dict[str, float]) -> None:
    tasks = "  ".join(f"{loss:.3f}" for task, loss in losses.items() if task != "mean")
    print(f"{name:28s} {losses['mean']:.4f}   by task {tasks}", flush=True)


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--method", default="cpoly")
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--trials", nargs="*", default=["0.15:0.01", "0.15:0.1", "0.15:0.3"])
    parser.add_argument("--longer", type=float, default=0.0)
    args = parser.parse_args()
    write_figures(measure(args), args.output)


if __name__ == "__main__":
    main()

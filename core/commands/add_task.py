"""add-task RUN TASK: a trained run learns one more task from a few rows, without touching the others"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from core.commands.output import ProgressLine, Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "add-task", add_task, "teach a trained run one more task from a few rows")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("task", help="a task of the run's project that the run does not know yet")
    rows = "rows to learn from; repeat for a curve (default: 5, 10, 20, 50)"
    parser.add_argument("--rows", type=int, action="append", metavar="N", help=rows)
    parser.add_argument("--draws", type=int, default=3, metavar="N", help="random draws of the rows (default 3)")
    parser.add_argument("--steps", type=int, default=60, metavar="N", help="steps of each draw (default 60)")
    parser.add_argument("--private", action="store_true", help="also train a private skill for the task")


def add_task(args: argparse.Namespace) -> Report:
    from transformers.utils.logging import disable_progress_bar

    from core.asking.new_task import AddSettings, add_task_to_run  # torch
    from core.commands.device import hold_device
    from core.tasks.dataset import load_dataset_of
    from core.workspace import Workspace

    disable_progress_bar()
    folder = find_run(args)
    new = load_dataset_of(Workspace(args.workspace).project_of_run(folder.path.resolve()), [args.task])
    counts = tuple(args.rows) if args.rows else AddSettings().counts
    settings = AddSettings(counts, args.draws, args.steps, with_private=args.private)
    line = ProgressLine(args.json)
    with hold_device(folder, "training"):
        outcome = add_task_to_run(folder, new, settings, partial(_tell, line))
    line.end()
    return _report(outcome, args.task)


def _tell(line: ProgressLine, done: int, total: int) -> None:
    line.step(done, total, f"trial {done} of {total}")


def _report(outcome: Any, task: str) -> Report:
    from core.evaluation.intervals import mean_interval
    from core.insight.verdicts import describe_verdicts, read_verdicts

    questions = outcome.final.n
    rows = [["0 (nearest task's row)", 1, f"{100 * outcome.untrained:.1f}", None]]
    for count, values in outcome.curve.items():
        low, high = mean_interval(values, questions)
        band = None if low != low else f"[{100 * low:.1f}, {100 * high:.1f}]"
        rows.append([str(count), len(values), f"{100 * sum(values) / len(values):.1f}", band])
    run_id = Path(outcome.run_dir).name
    nearest = ", ".join(f"{name} (loss {loss:.2f})" for name, loss in outcome.nearest[:3])
    verdicts = [found for found in read_verdicts(Path(outcome.run_dir)) if found.task == task]
    lines = [
        *(said.text for said in describe_verdicts(verdicts)),
        "",
        table(rows, ["rows", "draws", outcome.metric, "95 % over draws"]),
        "",
        f"Nearest known tasks: {nearest}.",
        f"The run with the new task: {run_id}. Ask it: python -m core ask {run_id} --task {task!r} TEXT",
    ]
    value = {
        "run_id": run_id,
        "task": task,
        "metric": outcome.metric,
        "nearest": outcome.nearest,
        "untrained": outcome.untrained,
        "curve": outcome.curve,
        "final": outcome.final.as_dict(),
        "questions": questions,
        "verdict": verdicts[0].as_dict() if verdicts else None,
    }
    return Report(value, "\n".join(lines))

"""add-task RUN TASK: a trained run learns one more task from a few rows, without touching the others"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from core.base.errors import RunError, TaskloomError, short_detail
from core.commands.doubts import doubt_lines
from core.commands.output import ProgressLine, Report, Verbs, add_verb, said, table
from core.commands.runs import find_run

STEPS = 60


COUNTS = (5, 10, 20, 50)
ALL_ROWS = 1_000_000
PASTED = "-"


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "add-task", add_task, "teach a trained run one more task from a few rows")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    new = "a task of the run's project that the run does not know yet, or a file of it (- for pasted rows)"
    parser.add_argument("task", help=new)
    parser.add_argument("--name", help="name of the task that is made of the file")
    as_read = "teach the file as it was read, although its reading is in question"
    parser.add_argument("--as-read", action="store_true", help=as_read)
    rows = "rows to learn from; repeat for a curve (default: all practice rows, once)"
    parser.add_argument("--rows", type=int, action="append", metavar="N", help=rows)
    parser.add_argument("--curve", action="store_true", help="what 5, 10, 20 and 50 rows bring")
    draws = "random draws of the rows (default 1, with several numbers of rows 3)"
    parser.add_argument("--draws", type=int, metavar="N", help=draws)
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"steps of a draw (default {STEPS})")
    private = "also train a private skill for the task (default: yes)"
    parser.add_argument("--private", action=argparse.BooleanOptionalAction, default=True, help=private)


def add_task(args: argparse.Namespace) -> Report:
    from safetensors import SafetensorError

    from core.asking.new_task import AddSettings, add_task_to_run  # torch
    from core.chat.learning_router import learn_router
    from core.chat.routing import has_router
    from core.commands.device import hold_device
    from core.tasks.dataset import load_dataset_of
    from core.workspace import Workspace

    folder = find_run(args)
    project = Workspace(args.workspace).project_of_run(folder.path.resolve())
    counts = tuple(args.rows or (COUNTS if args.curve else (ALL_ROWS,)))
    draws = args.draws if args.draws is not None else 3 if len(counts) > 1 else 1
    settings = AddSettings(counts, draws, args.steps, with_private=args.private)
    line = ProgressLine(args.json)
    without_router = None
    with hold_device(folder, "training"):
        with _brought_task(project, args) as task:
            new = load_dataset_of(project, [task])
            outcome = add_task_to_run(folder, new, settings, partial(_tell, line))
        if has_router(folder.path):  # its router does not know the new task
            try:
                learn_router(Path(outcome.run_dir))
            except (TaskloomError, OSError, MemoryError, RuntimeError, SafetensorError) as error:
                # The run with the new task is whole.
                without_router = short_detail(error)
    line.end()
    return _report(outcome, new.tasks[0].name, without_router)


@contextmanager
def _brought_task(project: Any, args: argparse.Namespace) -> Iterator[str]:
    """The name of the project's task; a file is made one first, which goes again with any error.

    Raises:
        TaskFileError: the file cannot be read. RunError: how it is meant is in question.
    """
    from core.tasks.changing.add_task import add_pasted
    from core.tasks.changing.add_task import add_task as add_file
    from core.tasks.changing.describing import TaskRequest
    from core.tasks.store import list_tasks, read_doubts, read_problems, remove_task

    known = [name for spec in list_tasks(project) for name in (spec.name, spec.task_id)]
    if args.task in known or not (args.task == PASTED or Path(args.task).is_file()):
        yield str(args.task)
        return
    request = TaskRequest(name=args.name)
    if args.task == PASTED:
        spec = add_pasted(project, sys.stdin.read(), request)
    else:
        spec = add_file(project, Path(args.task), request, isolated=True)
    is_taught = False
    try:
        told = [f"{spec.name}: {said(problem)}" for problem in read_problems(project, spec.task_id)]
        doubts = read_doubts(project, spec.task_id)
        print("\n".join([*told, *doubt_lines(doubts)]), file=sys.stderr)
        if doubts and not args.as_read:
            words = {"run": args.run, "file": shlex.quote(args.task), "project": shlex.quote(project.name)}
            raise RunError("command.doubts_open", **words)
        yield spec.name
        is_taught = True
    finally:
        if not is_taught:
            remove_task(project, spec.task_id)


def _tell(line: ProgressLine, done: int, total: int) -> None:
    line.step(done, total, f"step {done} of {total}")


def _report(outcome: Any, task: str, without_router: str | None) -> Report:
    from core.evaluation.intervals import mean_interval
    from core.insight.growth import describe_besides, describe_new_score, read_new_score
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
    exam = read_new_score(Path(outcome.run_dir), task)
    lines = [
        *([describe_new_score(exam, task, outcome.metric).text] if exam else []),
        *(said.text for said in describe_verdicts(verdicts)),
        "",
        table(rows, ["rows", "draws", outcome.metric, "95 % over draws"]),
        *(said.text for said in describe_besides(outcome.check_rows, without_router)),
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
        "check_rows": outcome.check_rows,
        "without_router": without_router,
        "exam": asdict(exam) if exam else None,
        "verdict": verdicts[0].as_dict() if verdicts else None,
    }
    return Report(value, "\n".join(lines))

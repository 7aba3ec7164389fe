"""wordings RUN: the exam asked in each wording of a task, and how far the scores lie apart"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from core.commands.ask import require_task
from core.commands.output import ProgressLine, Report, Verbs, add_verb, table
from core.commands.runs import add_run, find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "wordings", wordings, "the exam asked in each wording of a task, and the spread")
    add_run(parser)
    parser.add_argument("--task", help="only this task (default: every task with several wordings)")
    most = "exam rows a task, each asked in every wording (default 200)"
    parser.add_argument("--rows", type=int, default=200, metavar="N", help=most)
    parser.add_argument("--again", action="store_true", help="ask again, although there is an outcome")


def wordings(args: argparse.Namespace) -> Report:
    from core.insight.wordings import describe_wordings, read_wordings, wordings_of

    folder = find_run(args)
    specs = folder.read_tasks()
    if args.task is not None:
        task = require_task(folder, args.task)
        specs = tuple(spec for spec in specs if spec.name == task)
    several = [spec.name for spec in specs if len(wordings_of(spec)) > 1]
    known = {} if args.again else read_wordings(folder.path)
    if wanted := [name for name in several if name not in known]:
        _ask(folder, wanted, args)
    kept = read_wordings(folder.path)
    found = {name: kept[name] for name in several}
    sentences = [said.text for said in describe_wordings(specs, found)]
    rows = [row for one in found.values() for row in _rows(one)]
    heads = ["task", "wording", "score", "95 %", "against 1", "sure", "template"]
    shown = [table(rows, heads), ""] if rows else []
    value = {"run_id": folder.run_id, "tasks": [asdict(one) for one in found.values()], "sentences": sentences}
    return Report(value, "\n".join([*shown, *sentences]))


def _ask(folder: Any, tasks: list[str], args: argparse.Namespace) -> None:
    """In this process, with the device held for it."""

    from core.asking.wording_answers import ask_wordings  # torch
    from core.commands.device import hold_device

    line = ProgressLine(args.json)
    with hold_device(folder, "evaluation"):

        def tell(done: int, total: int) -> None:
            line.step(done, total, f"wording {done} of {total}")

        ask_wordings(folder.path, tasks, args.rows, tell)
    line.end()


def _rows(found: Any) -> list[list[Any]]:
    return [
        [
            found.task,
            str(one.number),
            None if one.score is None else f"{100 * one.score.value:.1f}",
            None if one.score is None else f"[{100 * one.score.low:.1f}, {100 * one.score.high:.1f}]",
            None if one.change is None else f"{100 * one.change.value:+.1f}",
            None if one.change is None else "yes" if one.is_sure else "no",
            " / ".join(one.template.split("\n")),
        ]
        for one in found.wordings
    ]

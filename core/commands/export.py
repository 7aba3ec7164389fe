"""export RUN: folders that other software loads, checked and with a model card"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.base.errors import RunError
from core.commands.output import ProgressLine, Report, Verbs, add_verb, progress_bar, table
from core.commands.runs import find_run
from core.export.gguf_numbers import NUMBERS

KINDS = ("lora", "merged", "gguf", "space", "run")


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "export", export, "write a trained run as folders that other software loads")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("folder", help="where to write; a new or empty folder")
    add_wish(parser)


def add_wish(parser: argparse.ArgumentParser) -> None:
    """What to export; `push` asks the same."""
    parser.add_argument(
        "--as",
        dest="kind",
        choices=KINDS,
        default="lora",
        help="lora: one PEFT LoRA a task (default); merged: one whole model a task; gguf: the same for llama.cpp; "
        "space: a small chat that starts by itself; run: all tasks, for Taskloom",
    )
    parser.add_argument("--task", action="append", metavar="NAME", help="only this task; repeat for several")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="language of the model card")
    parser.add_argument(
        "--examples",
        type=int,
        default=0,
        metavar="N",
        help="show N practice rows a task in the card (up to 5); only where the data may be seen by its readers",
    )
    parser.add_argument(
        "--drop-below",
        type=float,
        default=0.0,
        metavar="WEIGHT",
        help="leave out common skills that a task uses less than this (0 to 1); smaller files, other answers",
    )
    parser.add_argument(
        "--numbers",
        choices=NUMBERS,
        default=NUMBERS[0],
        help="what a GGUF file stores weights in: f16 (default), f32 (exact, twice the size), bf16, or q8_0 (half)",
    )


def export_to(args: argparse.Namespace, target: Path) -> list[Any]:
    """The exports of a parsed command line below a folder."""

    from core.export.bundle import ExportWish, export_run  # torch

    tasks = tuple(args.task) if args.task else None
    wish = ExportWish(args.kind, tasks, args.language, args.examples, args.drop_below, args.numbers)
    line = ProgressLine(args.json)

    def tell(done: int, total: int, task: str) -> None:
        line.show(progress_bar(done / total, f"writing {task}" if task else "reading all again"), True)

    try:
        return export_run(find_run(args).path, target, wish, tell)
    finally:
        line.end()


def export(args: argparse.Namespace) -> Report:
    exports = export_to(args, Path(args.folder).expanduser().resolve())
    warnings = warn_before_sharing(args)
    value = [
        {
            "task": e.task,
            "folder": str(e.folder),
            "rank": e.rank,
            "difference": e.difference,
            "warnings": [line for line in warnings if line],
        }
        for e in exports
    ]
    rows = [[e.task or "all", str(e.folder), e.rank, f"{e.difference:.1e}"] for e in exports]
    shown = [table(rows, ["task", "folder", "rank", "logits differ by"])]
    return Report(value, "\n".join([*shown, *warnings]))


def warn_before_sharing(args: argparse.Namespace) -> list[str]:
    """What others should know of the run before they get it; [] when there is nothing."""
    from core.insight.forgotten import describe_warning, read_forgetting
    from core.insight.verdicts import describe_unready, read_verdicts

    run_dir = find_run(args).path
    found = read_forgetting(run_dir)
    try:
        ids = {task["name"]: task.get("task_id") for task in find_run(args).read_run()["tasks"]}
        wanted = set(args.task or ())  # by name or id, as the export itself takes them
        chosen = [v for v in read_verdicts(run_dir) if not wanted or wanted & {v.task, ids.get(v.task)}]
        said = [one.text for one in describe_unready(chosen)]
    except RunError as error:  # no exam: nobody knows what it can do
        said = [str(error)]
    said += [one.text for one in describe_warning(found)] if found else []
    return ["", *said] if said else []

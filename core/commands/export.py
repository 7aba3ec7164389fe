"""export RUN: folders that other software loads, checked and with a model card"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "export", export, "write a trained run as folders that other software loads")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("folder", help="where to write; a new or empty folder")
    parser.add_argument(
        "--as", dest="kind", choices=("lora", "merged", "run"), default="lora",
        help="lora: one PEFT LoRA a task (default); merged: one whole model a task; run: all tasks, for Taskloom",
    )
    parser.add_argument("--task", action="append", metavar="NAME", help="only this task; repeat for several")
    parser.add_argument("--language", choices=("en", "zh"), default="en", help="language of the model card")


def export(args: argparse.Namespace) -> Report:
    from transformers.utils.logging import disable_progress_bar

    from core.serving.sharing import export_run  # torch

    disable_progress_bar()
    # PEFT 0.21 asks transformers 5.23 by an old name; nothing that a user could act on.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
    folder = find_run(args)
    target = Path(args.folder).expanduser().resolve()
    exports = export_run(folder.path, args.kind, target, args.task, args.language)
    value = [
        {"task": e.task, "folder": str(e.folder), "rank": e.rank, "difference": e.difference} for e in exports
    ]
    rows = [[e.task or "all", str(e.folder), e.rank, f"{e.difference:.1e}"] for e in exports]
    return Report(value, table(rows, ["task", "folder", "rank", "difference after reloading"]))

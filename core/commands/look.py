"""look RUN TEXT: the weights and gates one example is answered with, by layer and by token"""

from __future__ import annotations

import argparse
from typing import Any

from core.commands.ask import read_content, require_task
from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "look", look, "which weights or gates a text is answered with, layer by layer")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("text", nargs="?", help="the input of a task with one input column")
    parser.add_argument("--task", help="name of the task (may be left out when the run has one)")
    parser.add_argument("--row", type=int, help="an exam row instead of a text, with its right answer")
    inputs = "input by column, for tasks with several"
    parser.add_argument("--input", action="append", default=[], metavar="COL=TEXT", help=inputs)
    parser.set_defaults(late="text")


def look(args: argparse.Namespace) -> Report:
    from core.insight.layer_names import name_layer
    from core.insight.look_table import describe_look, look_from_dict

    folder = find_run(args)
    task = require_task(folder, args.task)
    prompt, answer = _example(folder, task, args)

    from core.asking.look_model import look_at  # torch

    record = look_at(folder.path, task, prompt, answer)
    found = look_from_dict(record)
    sentences = [sentence.text for sentence in describe_look(found)]
    shown = found.weights if found.sizes is None else found.sizes
    names = list(map(str, shown.index))
    rows = [[name_layer(name, names).text, *(float(v) for v in shown.loc[name])] for name in names]
    text = table(rows, ["layer", *map(str, shown.columns)])
    return Report({**record, "sentences": sentences}, "\n".join([text, "", *sentences]))


def _example(folder: Any, task: str, args: argparse.Namespace) -> tuple[str, str | None]:
    """The prompt, and the right answer when it is an exam row."""
    from core.base.errors import RunError
    from core.chat.prompts import build_prompt
    from core.tasks.dataset import load_saved_dataset

    dataset = load_saved_dataset(folder.data_dir)
    index = dataset.names().index(task)
    if args.row is None:
        return build_prompt(dataset.tasks[index], read_content(args)), None
    rows = dataset.split(index, "test")
    if not 0 <= args.row < len(rows):
        raise RunError("insight.no_row", row=args.row, task=task)
    return rows[args.row].prompt, rows[args.row].target

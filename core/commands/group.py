"""group RUN...: which tasks learned alike, by their LoRAs, and how to train one adapter for each group"""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from core.commands.output import Report, Verbs, add_verb, table


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "group", group, "group the tasks of runs by what their LoRAs learned")
    parser.add_argument("run", nargs="+", help="runs on the same base model: ids or unique beginnings")
    parser.add_argument("--task", action="append", metavar="NAME", help="only this task; repeat for several")
    parser.add_argument("--groups", type=int, metavar="K", help="how many groups (default: what stands apart best)")


def group(args: argparse.Namespace) -> Report:

    from core.commands.device import hold_device
    from core.merge.groups import group_tasks
    from core.merge.run import read_likeness  # torch
    from core.messages import Sentence
    from core.runs.folder import RunFolder
    from core.workspace import Workspace

    workspace = Workspace(args.workspace)
    folders = [RunFolder(workspace.find_run_dir(name)) for name in dict.fromkeys(args.run)]
    with hold_device(folders[0], "evaluation"):
        names, cosines = read_likeness(folders, tuple(args.task) if args.task else None)
    found = group_tasks(names, cosines, args.groups)
    rows = [[task, *(f"{cosine:.2f}" for cosine in row)] for task, row in zip(names, found.cosines, strict=True)]
    lines = [table(rows, ["task", *(f"cos {i + 1}" for i in range(len(names)))]), ""]
    lines += [f"group {place}: {', '.join(members)}" for place, members in enumerate(found.groups, 1)]
    told = found.told()
    lines += ["", *(Sentence(key, values).text for key, values in told)]
    if any(key == "group.train" for key, _ in told) or (args.groups or 0) > 1:  # whoever asks for groups gets them
        lines.append(f"python -m core train PROJECT {train_options(found.settings())}")
    return Report(found.as_dict(), "\n".join(lines))


def train_options(settings: dict[str, Any]) -> str:
    """Settings as words of `train`."""
    words = ["--method", str(settings["method"])]
    for name, value in settings.items():
        if name != "method":
            words += ["--set", f"{name}={value}"]
    return shlex.join(words)

"""queue: which runs wait for a device, and in which order"""

from __future__ import annotations

import argparse

from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "queue", queue, "show the waiting runs, or give one another place")
    parser.add_argument("run", nargs="?", help="a waiting run that gets another place")
    parser.add_argument("--place", type=int, default=1, metavar="N", help="its new place; 1 (default) starts next")
    parser.set_defaults(late="run")


def queue(args: argparse.Namespace) -> Report:
    from core.runs.queueing import list_queue, move_run
    from core.workspace import Workspace

    workspace = Workspace(args.workspace)
    if args.run:
        move_run(find_run(args), args.place)
    names = {project.project_id: project.name for project in workspace.list_projects()}
    waiting = list_queue(workspace.root)
    values = [
        {
            "run_id": w.run_id,
            "name": w.name,
            "project": names.get(w.project_id, ""),
            "device": w.device,
            "place": w.place,
            "holder": w.holder,
        }
        for w in waiting
    ]
    rows = [
        [w.device, w.place, w.run_id, w.name, names.get(w.project_id, ""), w.holder["name"] if w.holder else None]
        for w in waiting
    ]
    text = table(rows, ["device", "place", "run", "name", "project", "behind"]) if rows else "No run waits."
    return Report(values, text)

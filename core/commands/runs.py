"""runs PROJECT; status, stop, cancel and resume RUN"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from core.commands.output import Report, Verbs, add_verb, duration, progress_bar, table


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "runs", show_all, "list the runs of a project, newest first")
    parser.add_argument("project")
    status = add_verb(verbs, "status", show, "what a run is doing")
    status.add_argument("run", help="run id, or a unique beginning of it")
    status.add_argument("--log", action="store_true", help="also the last lines of the worker's log")
    for name, text in (
        ("stop", "stop a run and keep what it has learned"), ("cancel", "cancel a run and discard it"),
        ("resume", "go on with an interrupted run from its last checkpoint"),
    ):
        add_verb(verbs, name, _wish(name), text).add_argument("run", help="run id, or a unique beginning of it")


def find_run(args: argparse.Namespace) -> Any:
    """The folder of the run named on the command line."""
    from core.runs.folder import RunFolder
    from core.workspace import Workspace

    return RunFolder(Workspace(args.workspace).find_run_dir(args.run))


def show_all(args: argparse.Namespace) -> Report:
    from core.runs.creation import list_runs
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    values = [run_value(folder) for folder in list_runs(project)]
    rows = [
        [v["run_id"], v["name"], v["state"], v["method"], v["base_model"], len(v["tasks"]),
         f"{100 * v['progress']:.0f}", time.strftime("%Y-%m-%d %H:%M", time.localtime(v["created"]))]
        for v in values
    ]
    heads = ["run", "name", "state", "method", "base model", "tasks", "%", "created"]
    none = f"No runs yet. Start one: python -m core train {project.name!r}"
    return Report(values, table(rows, heads) if rows else none)


def show(args: argparse.Namespace) -> Report:
    folder = find_run(args)
    value = run_value(folder)
    left = f", about {duration(value['eta_s'])} left" if value["eta_s"] is not None else ""
    step = f"{value['stage'] or ''} step {value['step']}/{value['total_steps']}{left}"
    lines = [
        f"{value['run_id']}  {value['name']}  {value['state']}",
        progress_bar(value["progress"], step),
    ]
    if value["message"]:
        lines.append(value["message"])
    if args.log:
        value["log"] = folder.read_log()
        lines += ["", value["log"]]
    return Report(value, "\n".join(lines))


def run_value(folder: Any) -> dict[str, Any]:
    """A run as --json prints it."""
    from core.messages import english
    from core.runs.liveness import run_state

    run, status = folder.read_run(), run_state(folder)
    told = english(status.message_key, status.message_values) if status.message_key else ()
    return {
        "run_id": folder.run_id, "name": run["name"], "state": status.state, "stage": status.stage,
        "step": status.step, "total_steps": status.total_steps, "progress": status.progress, "eta_s": status.eta_s,
        "message": " ".join(part for part in told if part), "failure": status.failure,
        "method": run.get("method"), "base_model": run.get("base_model"), "created": run.get("created"),
        "tasks": [task["name"] for task in run["tasks"]], "path": str(folder.path),
    }


def _wish(name: str) -> Callable[[argparse.Namespace], Report]:
    def run(args: argparse.Namespace) -> Report:
        from core.runs import launching

        folder = find_run(args)
        wishes: dict[str, Callable[..., Any]] = {
            "stop": launching.stop_run, "cancel": launching.cancel_run, "resume": launching.resume_run,
        }
        wishes[name](folder)
        value = run_value(folder)
        return Report(value, f"{folder.run_id}: {value['state']}")

    return run

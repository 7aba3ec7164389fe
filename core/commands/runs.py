"""runs PROJECT; status, stop, cancel, resume and join RUN"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from core.base.errors import RunError
from core.commands.output import Report, Verbs, add_verb, confirm, duration, progress_bar, table
from core.messages import stage_word


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "runs", show_all, "list the runs of a project, newest first")
    parser.add_argument("project")
    parser.add_argument("--starred", action="store_true", help="only runs with a star")
    parser.add_argument("--state", help="only runs in this state, for example failed")
    status = add_verb(verbs, "status", show, "what a run is doing")
    add_run(status)
    status.add_argument("--log", action="store_true", help="also the last lines of the worker's log")
    for name, text in (
        ("stop", "stop a run and keep what it has learned"),
        ("cancel", "cancel a run and discard it"),
        ("resume", "go on with an interrupted run from its last checkpoint"),
    ):
        wish = add_verb(verbs, name, _wish(name), text)
        add_run(wish)
        if name != "resume":
            wish.add_argument("--now", action="store_true", help="end a worker that does not answer, by force")
        if name == "stop":
            add_yes(wish)
        if name == "resume":
            add_on(wish, "go on with it on another engine of the workspace (engines.yaml); local is this machine")
    join = add_verb(verbs, "join", join_run, "join a run of several machines from this machine")
    add_run(join)
    number = "number of this machine: 1, 2, ... (0 is the one that started the run)"
    join.add_argument("--machine", type=int, required=True, metavar="N", help=number)


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="run id, or a unique beginning of it")


def add_on(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--on", metavar="NAME", help=text)
    add_yes(parser)


def add_yes(parser: argparse.ArgumentParser) -> None:
    """For everything that may start a run on another engine."""
    text = "rows may leave this machine for the run's engine; do not ask"
    parser.add_argument("--yes", action="store_true", help=text)


def require_consent(engine: Any, args: argparse.Namespace, runs: int = 1, base_model: str | None = None) -> None:
    """Says, on standard error, what a start of so many runs on another engine means, and asks; `--yes` has agreed
    already. `base_model` of the runs, where one is known.

    Raises:
        RunError: nobody has agreed.
    """
    from core.runs.engine_terms import engine_terms

    terms = [sentence.text for sentence in engine_terms(engine, duration, runs, base_model)]
    if terms and runs:
        print("\n".join(terms), file=sys.stderr, flush=True)
        if not args.yes and not confirm(f"Start on {engine.name}?"):
            raise RunError("command.no_consent", engine=engine.name)


def word_waiting(statuses: list[Any]) -> str:
    """Why the first of those runs waits that an engine has and says a reason for; '' where there is none."""
    from core.messages import english

    reasons = ("run.pending_why", "run.engine_silent")
    told = next((s for s in statuses if s.state == "pending" and s.message_key in reasons), None)
    return f"; {english(told.message_key, told.message_values)[0]}" if told else ""


def find_run(args: argparse.Namespace) -> Any:
    """The folder of the run named on the command line."""
    from core.runs.folder import RunFolder
    from core.workspace import Workspace

    return RunFolder(Workspace(args.workspace).find_run_dir(args.run))


def show_all(args: argparse.Namespace) -> Report:
    from core.runs.summaries import list_summaries
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    runs = [
        run
        for run in list_summaries(project)
        if (run.starred or not args.starred) and args.state in (None, run.state)
    ]
    rows = [
        [
            run.run_id,
            "* " * run.starred + run.name,
            "damaged" if run.damaged else run.state,
            run.method,
            run.base_model,
            len(run.tasks),
            f"{100 * run.progress:.0f}",
            _mean(run),
            None if run.guess is None else f"{100 * run.guess:.1f}",
            _above(run),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(run.created)),
            run.notes,
        ]
        for run in runs
    ]
    heads = ["run", "name", "state", "method", "base model", "tasks", "%"]
    heads += ["mean", "guess", "above guessing", "created", "notes"]
    none = f"No runs yet. Start one: python -m core train {project.name!r}"
    values = [{**asdict(run), "path": str(project.runs_dir / run.run_id)} for run in runs]
    return Report(values, table(rows, heads) if rows else none)


def _mean(run: Any) -> str | None:
    """In points of 100 with the 95 % interval."""
    if run.tuned is None:
        return None
    interval = f" [{100 * run.low:.1f}, {100 * run.high:.1f}]" if run.low is not None else ""
    return f"{100 * run.tuned:.1f}{interval}"


def _above(run: Any) -> str | None:
    """Whether the mean is more than guessing gets, in the words of the exam's own table."""
    from core.messages import Sentence
    from core.runs.summaries import ABOVE, BELOW, FEW_ROWS

    if run.standing in (None, ABOVE, BELOW):
        return {None: None, ABOVE: "yes", BELOW: "no: below"}[run.standing]
    return f"no: {Sentence('unsure.few' if run.standing == FEW_ROWS else 'unsure.chance').text}"


def show(args: argparse.Namespace) -> Report:
    from core.runs.where import read_log

    folder = find_run(args)
    value = run_value(folder)
    left = f", about {duration(value['eta_s'])} left" if value["eta_s"] is not None else ""
    step = f"{stage_word(value['stage'])} step {value['step']}/{value['total_steps']}{left}"
    lines = [f"{value['run_id']}  {value['name']}  {value['state']}", progress_bar(value["progress"], step)]
    if value["message"]:
        lines.append(value["message"])
    if args.log:
        value["log"] = read_log(folder)
        lines += ["", value["log"]]
    return Report(value, "\n".join(lines))


def run_value(folder: Any) -> dict[str, Any]:
    """A run as --json prints it."""
    from core.messages import english
    from core.runs.liveness import run_state

    run, status = folder.read_run(), run_state(folder)
    told = english(status.message_key, status.message_values) if status.message_key else ()
    return {
        "run_id": folder.run_id,
        "name": run["name"],
        "state": status.state,
        "stage": status.stage,
        "step": status.step,
        "total_steps": status.total_steps,
        "progress": status.progress,
        "eta_s": status.eta_s,
        "message": " ".join(part for part in told if part),
        "failure": status.failure,
        "method": run.get("method"),
        "base_model": run.get("base_model"),
        "created": run.get("created"),
        "tasks": [task["name"] for task in run["tasks"]],
        "path": str(folder.path),
        "queue_place": status.queue_place,
        "launcher": run.get("launcher", "local"),
        "on": run.get("on") or "local",
        "tokens_per_s": status.tokens_per_s,
        "eta_range_s": status.eta_range_s,
        "starred": run.get("starred", False),
        "notes": run.get("notes", ""),
    }


def join_run(args: argparse.Namespace) -> Report:
    """This machine's share of a run that another machine started; both see the same run folder.

    Raises:
        RunError: the run is not one of several machines, has ended, or this machine's number is not among them.
    """
    from core.runs.ranks import join_machine

    folder = find_run(args)
    code = join_machine(folder, args.machine)
    value = {**run_value(folder), "exit_code": code}
    return Report(value, f"{folder.run_id}: this machine's processes have ended ({code}).")


def _wish(name: str) -> Callable[[argparse.Namespace], Report]:
    def run(args: argparse.Namespace) -> Report:
        from core.runs import launching
        from core.runs.engine_terms import engine_begun
        from core.runs.where import HERE, find_engine

        folder = find_run(args)
        on = args.on if name == "resume" else None
        is_forced = name == "stop" and args.now
        engine = find_engine(folder.workspace_dir, on) if on else HERE if is_forced else engine_begun(folder, name)
        if engine != HERE:
            require_consent(engine, args, base_model=folder.read_config().base_model)
        wishes: dict[str, Callable[[], Any]] = {
            "stop": lambda: launching.stop_run(folder, args.now),
            "cancel": lambda: launching.cancel_run(folder, args.now),
            "resume": lambda: launching.resume_run(folder, args.on),
        }
        wishes[name]()
        value = run_value(folder)
        return Report(value, f"{folder.run_id}: {value['state']}")

    return run

"""train: a run in the foreground with a progress bar, or in the background."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from core.base.errors import RunError, TaskFileError
from core.commands.output import ProgressLine, Report, Verbs, add_verb, duration, progress_bar
from core.commands.runs import add_on, require_consent, word_waiting
from core.messages import stage_word

POLL_S = 0.3


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "train", train, "train a model on the tasks of a project")
    add_plan(parser)
    parser.add_argument("--name", help="name of the run")
    parser.add_argument(
        "--equal",
        choices=("active", "total"),
        help="the rank at which the method is as large as C-Poly's defaults: in what an example uses, or in all",
    )
    add_on(parser, "engine of the workspace (engines.yaml) that runs it; without it this machine")
    add_background(parser)


def add_plan(parser: argparse.ArgumentParser) -> None:
    """What a run is planned with: project, settings, tasks."""
    parser.add_argument("project")
    parser.add_argument("--config", metavar="FILE.yaml", help="settings, as the app and earlier runs save them")
    add_set(parser)
    parser.add_argument("--base-model", metavar="PATH_OR_ID", help="base model: a name, a folder or a Hub id")
    parser.add_argument("--method", help="adapter method, for example cpoly or lora")
    parser.add_argument("--task", action="append", metavar="NAME", help="only this task; repeat for several")


def add_set(parser: argparse.ArgumentParser) -> None:
    several = "one setting; repeat for several"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=several)


def add_background(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--background", action="store_true", help="return the run id at once")


def train(args: argparse.Namespace) -> Report:
    from core.runs.launching import begin_run
    from core.runs.where import find_engine
    from core.tasks.store import list_tasks
    from core.training.equal_size import match_size
    from core.workspace import Workspace

    workspace = Workspace(args.workspace)
    project = workspace.get_project(args.project)
    config = build_config(args)
    if args.equal:
        config = match_size(config, len(args.task or list_tasks(project)), args.equal)
    engine = find_engine(workspace.root, args.on)
    _warn(project, config, args, engine)
    require_consent(engine, args, base_model=config.base_model)
    folder = begin_run(project, config, task_names=args.task, name=args.name, on=args.on)
    return follow_or_leave(folder, args)


def _warn(project: Any, config: Any, args: argparse.Namespace, engine: Any) -> None:
    """What should be looked at first, on standard error; the run begins all the same."""
    from core.commands.plan_problems import problem_lines
    from core.runs.ready import ready_report

    report = ready_report(project, config, args.task, engine)
    if report.doubtful:
        print("\n".join(problem_lines(report)), file=sys.stderr, flush=True)


def follow_or_leave(folder: Any, args: argparse.Namespace) -> Report:
    """In the background the run id is all; else the progress until the end."""
    if args.background:
        return Report({"run_id": folder.run_id, "path": str(folder.path)}, folder.run_id)
    return follow_to_end(folder, quiet=args.json)


def build_config(args: argparse.Namespace) -> Any:
    """Settings from a file, then --base-model and --method, then every --set."""
    from core.training.config import RunConfig, apply_assignments, change_config, load_config

    if args.config and not Path(args.config).is_file():
        raise TaskFileError("command.no_file", path=args.config)
    config = load_config(Path(args.config)) if args.config else RunConfig()
    chosen = {"base_model": args.base_model, "method": args.method}
    config = change_config(config, {name: value for name, value in chosen.items() if value})
    return apply_assignments(config, args.set)


def follow_to_end(folder: Any, quiet: bool) -> Report:
    """Shows progress until the run has ended. Ctrl-C stops and keeps; a second Ctrl-C cancels.

    Raises:
        RunError: the run failed, was cancelled or was interrupted.
    """
    from core.runs.launching import cancel_run, stop_run

    line, asked = ProgressLine(quiet), 0
    while True:
        try:
            status = _follow(folder, line)
            break
        except KeyboardInterrupt:
            asked += 1
            if asked == 1:
                line.show("Stopping; what was learned so far is kept. Press Ctrl-C again to discard it.", True)
                stop_run(folder)
            else:
                cancel_run(folder)
    line.end()
    if status.state != "succeeded":
        raise ended_error(folder, status)
    return result_report(folder)


def result_report(folder: Any) -> Report:
    """A finished run: its scores, where there are some, and what to do next."""
    from core.commands.evaluate import exam_report

    run = folder.read_run()
    value: dict[str, Any] = {"run_id": folder.run_id, "name": run["name"], "path": str(folder.path)}
    lines = [f"Run {folder.run_id} ({run['name']}) is done."]
    if folder.read_results() is not None:
        exam = exam_report(folder)
        value |= exam.value
        lines += ["", exam.text]
    task = run["tasks"][0]["name"]
    lines += [
        "",
        f"Ask it: python -m core ask {folder.run_id} --task {task!r} TEXT",
        f"See its skills: python -m core skills {folder.run_id}",
    ]
    return Report(value, "\n".join(lines))


def _follow(folder: Any, line: ProgressLine) -> Any:
    from core.runs.liveness import run_state

    shown: str | None = ""
    while True:
        status = run_state(folder)
        if not status.is_live:
            return status
        line.show(_describe(status), is_new_phase=status.stage != shown, note=word_waiting([status]))
        shown = status.stage
        time.sleep(POLL_S)


def _describe(status: Any) -> str:
    parts = [stage_word(status.stage) or status.stage or status.state]
    if status.total_steps:
        parts.append(f"step {status.step}/{status.total_steps}")
    if status.tokens_per_s:
        parts.append(f"{status.tokens_per_s:,.0f} tokens/s")
    if status.eta_s is not None:
        parts.append(f"about {duration(status.eta_s)} left")
    return progress_bar(status.progress, ", ".join(parts))


def ended_error(folder: Any, status: Any) -> RunError:
    from core.messages import english

    if status.state != "failed":
        return RunError("command.run_ended", run=folder.run_id, state=status.state)
    told = english(status.message_key, status.message_values) if status.message_key else ("", "")
    detail = " ".join(part for part in told if part)
    return RunError("command.run_failed", run=folder.run_id, detail=detail)

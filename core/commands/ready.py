"""ready PROJECT: everything that can be known before a run starts, and a rehearsal of twenty steps"""

from __future__ import annotations

import argparse
import time
from typing import Any

from core.base.errors import RunError
from core.commands.output import ProgressLine, Report, Verbs, add_verb, duration, progress_bar
from core.commands.plan_problems import problem_lines
from core.commands.train import add_plan, build_config
from core.messages.plural import counted

POLL_S = 0.3


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "ready", ready, "check a plan: problems, steps, time, memory; nothing is started")
    add_plan(parser)
    parser.add_argument("--on", metavar="NAME", help="judge the plan for another engine (python -m core engines)")
    parser.add_argument("--rehearse", action="store_true", help="run twenty steps and measure time and memory")


def ready(args: argparse.Namespace) -> Report:
    from core.runs.ready import ready_report
    from core.runs.where import find_engine
    from core.training.method_figures import describe_figures
    from core.workspace import Workspace

    project, config = Workspace(args.workspace).get_project(args.project), build_config(args)
    engine = find_engine(Workspace(args.workspace).root, args.on)
    if args.rehearse:
        _rehearse(project, config, args)
    report = ready_report(project, config, args.task, engine)
    trial = [sentence.text for sentence in describe_figures(config.method)]
    return Report({**report.as_dict(), "trial": trial}, "\n".join([*_lines(report), *trial]))


def _rehearse(project: Any, config: Any, args: argparse.Namespace) -> None:
    """Raises RunError when the plan is not ready or the rehearsal itself fails."""
    from core.commands.train import ended_error
    from core.runs.launching import cancel_run
    from core.runs.liveness import run_state
    from core.runs.ready import end_rehearsal, start_rehearsal

    folder, line = start_rehearsal(project, config, args.task), ProgressLine(args.json)
    try:
        while (status := run_state(folder)).is_live:
            line.show(progress_bar(status.progress, f"rehearsal, {status.stage or status.state}"))
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        cancel_run(folder, now=True)
        end_rehearsal(folder)
        raise
    line.end()
    failed: RunError | None = None if status.state == "succeeded" else ended_error(folder, status)
    end_rehearsal(folder)
    if failed is not None:
        raise failed


def _lines(report: Any) -> list[str]:
    lines = ["Not ready." if not report.ready else "Ready, with doubts." if report.doubtful else "Ready."]
    lines += problem_lines(report)
    if report.steps:
        steps = ", ".join(f"{name} {count}" for name, count in report.steps.items())
        lines.append(f"Steps: {steps}; {counted(report.examples, 'row|rows')} in one pass.")
    if report.capped:
        few = "{task} has few rows: no task gives more than {most} to a pass, {used} of {rows} in all; "
        lines.append(few.format(**report.capped) + "--set mixture=proportional draws every row, or add rows to it.")
    if report.seconds and report.memory_mb:
        sources = {"rehearsal": "measured by the rehearsal", "experience": "by earlier runs here and the load now"}
        source = sources.get(report.source, "by formula and the load now")
        low, high = (duration(s) for s in report.seconds)
        lines.append(f"Time with the exam: {low} to {high} ({source}).")
        lines.append(f"Memory: {report.memory_mb[0]:.0f} to {report.memory_mb[1]:.0f} MB on {report.device}.")
    if report.device_holder:
        lines.append(f"The device is in use: {report.device_holder.get('label')}; the run will wait.")
    return lines

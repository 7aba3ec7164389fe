"""what-if RUN: a task answers with other weights; its check rows before and after, and the change kept as a run"""

from __future__ import annotations

import argparse
from typing import Any

from core.base.errors import SettingError
from core.commands.ask import read_content, require_task
from core.commands.evaluate import exam_report, sit_exam
from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "what-if", what_if, "what changes when a task mixes its skills otherwise")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("text", nargs="?", help="a question, for a task with one input column")
    parser.add_argument("--task", help="name of the task (may be left out when the run has one)")
    parser.add_argument("--input", action="append", default=[], metavar="COL=TEXT", help="a question, by column")
    skill = "factor on a skill's weight, 0 is off; `private` is the task's own"
    parser.add_argument("--skill", action="append", default=[], metavar="NAME=FACTOR", help=skill)
    parser.add_argument("--row-of", metavar="TASK", help="use this task's row instead")
    parser.add_argument("--rows", type=int, default=30, metavar="N", help="check rows to answer (default 30)")
    parser.add_argument("--keep", metavar="NAME", help="keep the change as a run of this name, which sits the exam")
    parser.set_defaults(late="text")


def what_if(args: argparse.Namespace) -> Report:

    from core.asking.what_if import Asked, WhatIf  # torch
    from core.commands.device import hold_device
    from core.workspace import require_label

    folder = find_run(args)
    task = require_task(folder, args.task)
    scale = dict(_factor(text) for text in args.skill)
    asked = Asked(task, args.row_of, scale, _prompt(folder, task, args), args.rows)
    name = require_label(args.keep) if args.keep else ""
    with hold_device(folder, "evaluation"):
        changed = WhatIf(folder)
        found = changed.ask(asked)
        run_id = changed.keep(name, asked) if name else None
    report = _report(found)
    if run_id is None:
        return report
    kept = find_run(argparse.Namespace(workspace=args.workspace, run=run_id))
    sit_exam(kept, argparse.Namespace(rows=None, no_base=False, answers=None, json=args.json))
    exam = exam_report(kept)
    return Report({**report.value, "run_id": run_id, **exam.value}, f"{report.text}\n\n{run_id}\n{exam.text}")


def _factor(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name.strip(), float(value)
    except ValueError as error:
        raise SettingError("setting.type", name="skill", value=text, expected="a number") from error


def _prompt(folder: Any, task: str, args: argparse.Namespace) -> str | None:
    from core.chat.prompts import build_prompt
    from core.tasks.dataset import load_saved_tasks

    if args.text is None and not args.input:
        return None
    specs = {spec.name: spec for spec in load_saved_tasks(folder.data_dir)}
    return build_prompt(specs[task], read_content(args))


def _report(found: dict[str, Any]) -> Report:
    from core.insight.change_table import describe_change_of_task

    sentences = [sentence.text for sentence in describe_change_of_task(found)]
    rows = [[row["before"], row["after"], row["target"]] for row in found["changed"]]
    lines = [*sentences]
    if found["question"] is not None:
        lines.append(f"{found['question']['before']}  ->  {found['question']['after']}")
    if rows:
        lines += ["", table(rows, ["before", "after", "right"])]
    return Report({**found, "sentences": sentences}, "\n".join(lines))

"""task settle: open questions about how a task's file was meant, and an answer to one of them"""

from __future__ import annotations

import argparse

from core.base.errors import SettingError
from core.commands.doubts import doubt_lines, doubt_values
from core.commands.output import Report, Verbs
from core.commands.task_options import existing, on_task, project_of, task_table, task_value


def add_actions(actions: Verbs) -> None:
    settling = on_task(actions, "settle", settle, "open questions about what a task's file means, and their answer")
    answer = settling.add_mutually_exclusive_group()
    answer.add_argument("--taken", action="store_true", help="keep the reading; the question is closed")
    answer.add_argument("--other", action="store_true", help="take the other reading")
    settling.add_argument(
        "--question", type=int, default=1, metavar="N", help="which question (default: the first)"
    )
    settling.add_argument("--file", metavar="FILE", help="the task's file, where it has to be read again")


def settle(args: argparse.Namespace) -> Report:
    """Without an answer: the questions, read-only."""
    from core.tasks.changing.settling import settle_doubt
    from core.tasks.store import get_task, read_doubts

    project = project_of(args)
    spec = get_task(project, args.task)
    doubts = read_doubts(project, spec.task_id)
    if not (args.taken or args.other):
        text = "\n".join(doubt_lines(doubts)).strip() or f"No question about {spec.name} is open."
        return Report({"task": spec.name, "doubts": doubt_values(doubts)}, text)
    if not 1 <= args.question <= len(doubts):
        raise SettingError("command.no_question", task=spec.name, number=args.question, count=len(doubts))
    path = existing(args.file) if args.file else ""
    settled = settle_doubt(
        project, spec.task_id, doubts[args.question - 1], args.other, path, [path] if path else []
    )
    left = len(read_doubts(project, settled.task_id))
    return Report({**task_value(settled), "open": left}, f"{task_table([settled])}\nopen questions: {left}")

"""answers RUN, flag RUN, correct RUN: the answers behind the scores, marks on them, and corrections of the data"""

from __future__ import annotations

import argparse
from typing import Any

from core.commands.ask import require_task
from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run

SHOWN_CHARACTERS = 60


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "answers", answers, "the exam answers behind the scores")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("--task", help="name of the task (may be left out when the run has one)")
    kinds = "all, wrong, fixed (by tuning), broken (by tuning), flagged"
    parser.add_argument("--show", default="all", metavar="KIND", help=kinds)
    parser.add_argument("--search", default="", metavar="TEXT", help="only rows with this text")
    parser.add_argument("--other", metavar="RUN", help="a second run's answers to the same rows")
    parser.add_argument("--labels", action="store_true", help="confusions and the worst labels instead of answers")
    flag = add_verb(verbs, "flag", flag_row, "mark an exam answer to look at again")
    flag.add_argument("--off", action="store_true", help="take the mark away")
    correct = add_verb(verbs, "correct", correct_row, "correct the right answer of an exam row in the task's data")
    correct.add_argument("--answer", metavar="TEXT", help="the right answer")
    new = "the answer is a label that the task does not have yet"
    correct.add_argument("--new-label", action="store_true", help=new)
    leaves = "the row leaves the exam and becomes a practice row"
    correct.add_argument("--practise", action="store_true", help=leaves)
    for one in (flag, correct):
        one.add_argument("run", help="run id, or a unique beginning of it")
        one.add_argument("--task", help="name of the task (may be left out when the run has one)")
        one.add_argument("--row", type=int, required=True, help="number of the row, as `answers` shows it")


def answers(args: argparse.Namespace) -> Report:
    from core.insight.results import read_answers

    folder = find_run(args)
    task = require_task(folder, args.task)
    if args.labels:
        return _labels(folder, task)
    other = find_run(argparse.Namespace(workspace=args.workspace, run=args.other)).path if args.other else None
    frame = read_answers(folder.path, task, args.show, args.search, other)
    shown = ("row", "flagged", "prompt", "target", "base", "tuned", "other", "tuned_score")
    names = [name for name in shown if name in frame]
    rows = [[_short(row[name]) for name in names] for row in frame.to_dict("records")]
    return Report(frame.astype(object).where(frame.notna(), None).to_dict("records"), table(rows, names))


def _labels(folder: Any, task: str) -> Report:
    from core.insight.compare import confusion_matrix, describe_coverage, describe_labels, worst_labels

    matrix, worst = confusion_matrix(folder.path, task), worst_labels(folder.path, task)
    sentences = [sentence.text for sentence in describe_labels(worst, describe_coverage(folder.path, task))]
    value = {"confusion": matrix.to_dict("index"), "worst": worst.to_dict("records"), "sentences": sentences}
    shown = table([[*map(str, row.values())] for row in worst.to_dict("records")], list(worst.columns))
    return Report(value, "\n".join([shown, "", *sentences]))


def flag_row(args: argparse.Namespace) -> Report:
    from core.insight.marked_answers import mark_answer

    folder = find_run(args)
    task = require_task(folder, args.task)
    rows = sorted(mark_answer(folder.path, task, args.row, not args.off))
    return Report({"task": task, "flagged": rows}, f"{task}: {', '.join(map(str, rows)) or 'nothing'} flagged")


def correct_row(args: argparse.Namespace) -> Report:
    from core.insight.correcting import EXAM, PRACTICE, correct_answer
    from core.tasks.changing.label_check import known_answer
    from core.workspace import Workspace

    folder = find_run(args)
    project = Workspace(args.workspace).project_of_run(folder.path.resolve())
    task = require_task(folder, args.task)
    place = PRACTICE if args.practise else EXAM
    answer = args.answer if args.answer is None else known_answer(project, task, args.answer, args.new_label)
    spec = correct_answer(project, folder.path, task, args.row, answer, place)
    value = {"task": spec.name, "version": spec.version, "sizes": spec.num_examples}
    return Report(value, f"{spec.name}: corrected; it counts from the next run on")


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + " ..."
    return None if value is None or value != value else value

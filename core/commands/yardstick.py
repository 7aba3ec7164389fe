"""yardstick RUN: the same exam rows answered by another model, from a file or an endpoint with your own key"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path
from typing import Any

from core.base.errors import SettingError
from core.commands.output import ProgressLine, Report, Verbs, add_verb, table
from core.commands.runs import find_run

KEY_NAME = "TASKLOOM_YARDSTICK_KEY"  # an environment variable: arguments show in every list of processes
ROWS = 50


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "yardstick", yardstick, "compare with another model on the same exam rows")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("--name", help="what to call the other model in tables")
    parser.add_argument("--task", help="only this task")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"exam rows a task (default {ROWS})")
    parser.add_argument(
        "--questions", metavar="FILE.csv", help="write the exam questions, to be answered elsewhere"
    )
    parser.add_argument("--file", metavar="FILE", help="answers: columns row (or question) and answer, and task")
    where = f"an endpoint of OpenAI's form (.../v1); the key is read from {KEY_NAME} or asked for"
    parser.add_argument("--endpoint", metavar="URL", help=where)
    parser.add_argument("--model", metavar="NAME", help="the model's name at the endpoint")
    parser.add_argument("--price-in", type=float, metavar="X", help="price of a million tokens that it reads")
    parser.add_argument("--price-out", type=float, metavar="X", help="price of a million tokens that it writes")


def yardstick(args: argparse.Namespace) -> Report:
    from core.insight.yardstick import exam_questions, list_yardsticks

    folder = find_run(args)
    if args.questions:
        return _write_questions(Path(args.questions).expanduser().resolve(), _questions(args, folder))
    if args.file:
        _import(args, folder, exam_questions(folder.path, args.task))
    elif args.endpoint:
        _ask(args, folder, _questions(args, folder))
    return _report(folder, list_yardsticks(folder.path))


def _questions(args: argparse.Namespace, folder: Any) -> list[Any]:
    from core.insight.yardstick import exam_questions

    if args.rows < 1:
        raise SettingError("serving.bad_value", name="rows", value=args.rows, low=1, high="...")
    return exam_questions(folder.path, args.task, args.rows)


def _write_questions(target: Path, questions: list[Any]) -> Report:
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["task", "row", "question", "answer"])
        writer.writerows([q.task, q.row, q.prompt, ""] for q in questions)
    return Report({"file": str(target), "questions": len(questions)}, f"{target}: {len(questions)}")


def _import(args: argparse.Namespace, folder: Any, questions: list[Any]) -> None:
    from core.insight.yardstick import FILE, add_replies, create_yardstick, read_replies

    path = Path(args.file).expanduser().resolve()
    found = read_replies(path, questions)
    made = create_yardstick(folder.path, args.name or path.stem, FILE, unanswered=found.unanswered)
    add_replies(folder.path, made, found.replies)


def _ask(args: argparse.Namespace, folder: Any, questions: list[Any]) -> None:
    from core.chat.ask_yardstick import ask_yardstick
    from core.chat.other_model import Endpoint

    if not args.model:
        raise SettingError("yardstick.no_model", url=args.endpoint)
    endpoint, prices = Endpoint(args.endpoint, args.model, read_key()), (args.price_in, args.price_out)
    line = ProgressLine(args.json)
    for made in ask_yardstick(folder.path, endpoint, questions, args.name or "", prices):
        line.step(made.answers, len(questions), f"answer {made.answers} of {len(questions)}")
    line.end()


def read_key() -> str:
    """The user's key from the environment, or typed unseen on a terminal; '' for an endpoint that wants none."""
    import getpass  # here: help does without terminals

    known = os.environ.get(KEY_NAME, "")
    return (known or (getpass.getpass("Key (empty for none): ") if sys.stdin.isatty() else "")).strip()


def _report(folder: Any, found: list[Any]) -> Report:
    from core.insight.expecting import answer_seconds
    from core.insight.yardstick import describe_yardstick, measure_yardstick

    value, lines = [], []
    for one in found:
        scores = measure_yardstick(folder.path, one)
        said = [sentence.text for sentence in describe_yardstick(one, scores, answer_seconds(folder.path))]
        records = [
            {
                "task": s.task,
                "metric": s.metric,
                "theirs": s.theirs.as_dict(),
                "ours": s.ours.as_dict(),
                "difference": s.difference.as_dict(),
                "sure": s.difference.is_sure,
            }
            for s in scores
        ]
        who = {"name": one.name, "source": one.source, "model": one.model, "host": one.host, "answers": one.answers}
        who["unanswered"] = one.unanswered
        value.append({**who, "seconds": one.seconds, "cost": one.cost, "tasks": records, "sentences": said})
        lines += [one.name, _table(scores), *said, ""]
    return Report(value, "\n".join(lines).rstrip() or "no yardstick yet: --file, --endpoint, or --questions")


def _table(scores: list[Any]) -> str:
    rows = [
        [
            s.task,
            s.metric,
            s.ours.n,
            _shown(s.ours),
            _shown(s.theirs),
            f"{100 * s.difference.value:+.1f}",
            "yes" if s.difference.is_sure else "no",
        ]
        for s in scores
    ]
    return table(rows, ["task", "metric", "rows", "ours", "theirs", "ours - theirs", "sure"])


def _shown(score: Any) -> str:
    return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"

"""detect RUN [TEXT]: which task a text belongs to, and how far that can be trusted; --router: by hidden states"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run

OWN = "own refused % (texts like the practice rows; other wordings more)"


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "detect", detect, "which task of a run a text belongs to")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("text", nargs="?", help="a text; without one, how well texts are told apart")
    parser.set_defaults(late="text")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--router", action="store_true", help="by the run's router over the model's hidden states")
    which.add_argument(
        "--learn", action="store_true", help="the run learns such a router (anew); both ways compared"
    )


def detect(args: argparse.Namespace) -> Report:
    from core.chat.detecting import describe_detector, examine_detector
    from core.commands.device import within_share

    folder = find_run(args)
    if args.learn or (args.router and not args.text):
        return _compare(folder, args.learn)
    if args.text:
        found = _open(folder, args.router).detect(args.text)
        rows = [[name, f"{100 * p:.1f}"] for name, p in found.ranking]
        none = "none of the tasks\n" if found.is_none else ""
        return Report({**asdict(found), "none": found.is_none}, none + table(rows, ["task", "%"]))
    with within_share(folder):
        report = examine_detector(folder.path)
    rows = [[f"{100 * stated:.0f}", f"{100 * right:.0f}", str(n)] for stated, right, n in report.bins]
    said = [sentence.text for sentence in describe_detector(report)]
    text = "\n".join([*said, "", table(rows, ["sure by %", "right %", "texts"])])
    return Report(asdict(report), text)


def _open(folder: Any, by_states: bool) -> Any:
    from core.chat.detecting import load_detector

    if not by_states:
        return load_detector(folder.path)
    from core.chat.learning_router import open_router

    return open_router(folder.path)


def _compare(folder: Any, learns: bool) -> Report:
    """Both ways on exam rows."""
    from core.chat.learning_router import compare_ways
    from core.chat.routing import describe_ways, rows_of_ways
    from core.commands.device import hold_device

    with hold_device(folder, "evaluation"):
        found = compare_ways(folder.path, learns)
    heads = ["found by", "right %", "95 %", "error of its certainty", "foreign refused %", OWN, "ms"]
    said = [sentence.text for sentence in describe_ways(found)]
    return Report({"ways": asdict(found)}, "\n".join([table(rows_of_ways(found), heads), "", *said]))

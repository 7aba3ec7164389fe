"""detect RUN [TEXT]: which task a text belongs to, and how far that can be trusted"""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "detect", detect, "which task of a run a text belongs to")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("text", nargs="?", help="a text; without one, how well texts are told apart")
    parser.set_defaults(late="text")


def detect(args: argparse.Namespace) -> Report:
    from core.chat.detecting import describe_detector, examine_detector, load_detector

    folder = find_run(args)
    if args.text:
        found = load_detector(folder.path).detect(args.text)
        rows = [[name, f"{100 * p:.1f}"] for name, p in found.ranking]
        none = "none of the tasks\n" if found.is_none else ""
        return Report({**asdict(found), "none": found.is_none}, none + table(rows, ["task", "%"]))
    report = examine_detector(folder.path)
    rows = [[f"{100 * stated:.0f}", f"{100 * right:.0f}", str(n)] for stated, right, n in report.bins]
    said = [sentence.text for sentence in describe_detector(report)]
    text = "\n".join([*said, "", table(rows, ["sure by %", "right %", "texts"])])
    return Report(asdict(report), text)

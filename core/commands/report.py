"""report RUN FILE: one HTML file with scores and skills, and with --answers N exam rows"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.commands.output import Report, Verbs, add_verb
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "report", report, "one HTML file with scores and skills")
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("file", help="where to write it")
    parser.add_argument("--answers", type=int, default=0, metavar="N", help="exam rows of a task to show (none)")


def report(args: argparse.Namespace) -> Report:
    from core.base.files import write_text_atomic
    from core.insight.report import ReportWords, build_report

    target = Path(args.file).expanduser().resolve()
    write_text_atomic(target, build_report(find_run(args).path, ReportWords(), max(0, args.answers)))
    return Report({"file": str(target)}, str(target))

"""compare RUN RUN: which of two runs is better on which task, and is it real"""

from __future__ import annotations

import argparse
from types import SimpleNamespace

from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "compare", compare, "which of two runs is better on which task, and is it real")
    parser.add_argument("first", help="run id, or a unique beginning of it")
    parser.add_argument("second", help="the run it is compared with")


def compare(args: argparse.Namespace) -> Report:
    from core.insight.compare import (
        compare_runs,
        comparison_frame,
        describe_comparison,
        describe_standings,
        shown_p,
    )
    from core.insight.results import doubt_of

    first, second = (
        find_run(SimpleNamespace(workspace=args.workspace, run=name)).path  # type: ignore[arg-type]
        for name in (args.first, args.second)
    )
    found = compare_runs(first, second)
    told = [*describe_comparison(found), *describe_standings(first, second, found)]
    sentences = [sentence.text for sentence in told]
    frame = comparison_frame(found)
    rows = [
        [
            c.task,
            c.metric,
            c.difference.n,
            f"{100 * c.difference.value:+.1f}",
            f"[{100 * c.difference.low:+.1f}, {100 * c.difference.high:+.1f}]",
            shown_p(c.p_adjusted),
            "yes" if c.is_sure else f"no: {doubt.text}" if (doubt := doubt_of(c.difference, c.is_sure)) else "no",
        ]
        for c in found
    ]
    shown = table(rows, ["task", "metric", "rows", "difference", "95 % interval", "p (corrected)", "sure"])
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return Report({"comparisons": records, "sentences": sentences}, "\n".join([shown, "", *sentences]))

"""evaluate RUN: the final exam with intervals, base against tuned"""

from __future__ import annotations

import argparse
from typing import Any

from core.commands.output import Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "evaluate", evaluate, "scores of a run on the final exam, base against tuned")
    parser.add_argument("run", help="run id, or a unique beginning of it")


def evaluate(args: argparse.Namespace) -> Report:
    from core.insight.results import describe_results, read_scores, scores_value

    folder = find_run(args)
    scores = read_scores(folder.path)
    sentences = [sentence.text for sentence in describe_results(scores)]
    value = {"run_id": folder.run_id, "results": scores_value(scores), "sentences": sentences}
    return Report(value, "\n".join([score_text(scores), "", *sentences]))


def score_text(scores: list[Any]) -> str:
    """Scores as people read them: in points of 100, with the half-width of the 95 % interval."""
    rows = [
        [s.task, s.metric, s.tuned.n, _shown(s.base), _shown(s.tuned),
         None if s.change is None else f"{100 * s.change:+.1f}", "yes" if s.is_sure else "no"]
        for s in scores
    ]
    return table(rows, ["task", "metric", "rows", "base", "tuned", "change", "sure"])


def _shown(score: Any) -> str | None:
    if score is None:
        return None
    return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"

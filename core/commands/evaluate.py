"""evaluate RUN: the final exam: verdict of each task, scores with intervals, trained against guessing"""

from __future__ import annotations

import argparse
from typing import Any

from core.base.errors import RunError
from core.chat.protocol import ANSWERS, LABELS
from core.commands.output import ProgressLine, Report, Verbs, add_verb, table
from core.commands.runs import find_run


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(
        verbs, "evaluate", evaluate, "verdicts and scores of a run on the final exam, against guessing"
    )
    parser.add_argument("run", help="run id, or a unique beginning of it")
    parser.add_argument("--again", action="store_true", help="sit the exam again, although there are results")
    parser.add_argument("--rows", type=int, metavar="N", help="sit the exam on N rows a task (0: all)")
    chosen = "labels: tasks with labels answer the likeliest of them, in both models; free: all answers are written"
    parser.add_argument("--answers", choices=ANSWERS, help=f"{chosen} (default: as the run was set up)")
    parser.add_argument("--no-base", action="store_true", help="leave the base model out of a new exam")


def evaluate(args: argparse.Namespace) -> Report:
    from core.insight.results import read_scores

    folder = find_run(args)
    wanted = args.again or args.answers is not None or args.rows is not None
    if wanted or folder.read_results() is None or not read_scores(folder.path):
        sit_exam(folder, args)
    found = exam_report(folder)
    return Report({"run_id": folder.run_id, **found.value}, found.text)


def exam_report(folder: Any) -> Report:
    """What the exam of a run shows: verdicts, means, scores, and what guesses and metrics mean.

    Raises:
        RunError: there has been no exam yet.
    """
    from core.insight.forgotten import read_forgetting, tell_forgetting
    from core.insight.means import describe_mean
    from core.insight.next_step import next_settings
    from core.insight.results import read_scores, scores_value
    from core.insight.verdicts import describe_verdicts, read_verdicts

    scores = read_scores(folder.path)
    verdicts = read_verdicts(folder.path, scores)
    sentences = [said.text for said in (*describe_verdicts(verdicts), *describe_mean(scores))]
    forgotten = read_forgetting(folder.path)
    forgot = [said.text for said in tell_forgetting(forgotten)] if forgotten else []
    settings = {v.task: next_settings(folder.path, v.task, v.step) for v in verdicts}
    value = {
        "verdicts": [{**verdict.as_dict(), "settings": settings[verdict.task]} for verdict in verdicts],
        "results": scores_value(scores),
        "sentences": [*sentences, *forgot],
        "forgets": forgotten.is_warning if forgotten else None,
    }
    lines = [*sentences, *_again_lines(folder.run_id, settings), "", score_text(scores), ""]
    return Report(value, "\n".join([*lines, *guess_lines(scores), *forgot]))


def _again_lines(run_id: str, settings: dict[str, dict[str, Any]]) -> list[str]:
    """The command of each next step that is a matter of settings."""
    wanted = [(task, " ".join(f"--set {k}={v}" for k, v in changes.items())) for task, changes in settings.items()]
    return [f"{task}: python -m core rerun {run_id} {sets}" for task, sets in wanted if sets]


def sit_exam(folder: Any, args: argparse.Namespace) -> None:
    """A new exam in this process, with the device held for it.

    Raises:
        RunError: the run has no trained adapter, is at work, or the device is taken.
    """
    from core.commands.device import hold_device
    from core.runs.liveness import run_state

    status = run_state(folder)
    if status.is_live:
        raise RunError("run.still_live", name=folder.run_id, state=status.state)
    if not folder.adapter_dir.is_dir():
        raise RunError("serving.no_adapter", run=folder.run_id)

    from core.training.reexamination import examine_again, with_exam  # torch

    config = folder.read_config()
    rows = config.exam_rows or None if args.rows is None else args.rows or None
    line = ProgressLine(args.json)
    with hold_device(folder, "evaluation"):
        only_labels = None if args.answers is None else args.answers == LABELS
        examine_again(folder, with_exam(config, rows, not args.no_base, only_labels), ExamLine(line))
    line.end()


class ExamLine:
    """The exam's journal on a terminal: a bar, no wishes (Ctrl-C ends the process)."""

    def __init__(self, line: ProgressLine) -> None:
        self._line = line

    def event(self, kind: str, **fields: Any) -> None:
        if kind == "exam" and fields.get("total"):
            done, total = fields["done"], fields["total"]
            self._line.step(done, total, f"exam, answer {done} of {total}")

    def progress(self, **changes: Any) -> None:
        """The bar shows enough."""

    def wish(self) -> str | None:
        return None


def score_text(scores: list[Any]) -> str:
    """Scores as people read them: in points of 100 with the 95 % interval. gain: above the best guess; sure: at
    least 20 rows, and the gain's interval leaves out zero."""
    rows = [
        [
            s.task,
            s.metric,
            s.tuned.n,
            None if s.best is None else f"{100 * s.best.value:.1f}",
            _shown(s.base),
            _shown(s.tuned),
            None if s.gain is None else f"{100 * s.gain.value:+.1f}",
            None if s.gain is None else _sure(s.gain),
        ]
        for s in scores
    ]
    return table(rows, ["task", "metric", "rows", "guess", "untouched", "trained", "gain", "sure"])


def _sure(gain: Any) -> str:
    from core.insight.results import doubt_of

    doubt = doubt_of(gain)
    return "yes" if gain.is_sure else f"no: {doubt.text}" if doubt else "no"


def guess_lines(scores: list[Any]) -> list[str]:
    """What the best guess of each task does, and what its metric counts, in words."""
    from core.insight.results import best_guess_sentence
    from core.messages import Sentence

    lines = []
    for s in scores:
        said = best_guess_sentence(s)
        best = f"; best guess: {said.text}" if said else ""
        lines.append(f"{s.task}: {s.metric} says {Sentence(f'counts.{s.metric}').text}{best}.")
    return lines


def _shown(score: Any) -> str | None:
    if score is None:
        return None
    return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"

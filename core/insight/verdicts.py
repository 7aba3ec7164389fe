"""Can this task be used, why not, what next? One verdict a task, by the rules of `verdict_rules.py`. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.evaluation.intervals import FEW, Score
from core.insight.results import TaskResult, best_guess_sentence, read_scores, short
from core.insight.verdict_rules import BROKEN, CAUSES, NOT_YET, RULES, VERDICTS, Facts
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.training.config import num_ranks

_ROWS_CUT = ("training.rows_cut", "check.long_rows")  # the second one in runs of older versions


@dataclass(frozen=True)
class Verdict:
    """A task's verdict, the rule that gave it, the reason in words, and the next step."""

    task: str
    verdict: str
    rule: str
    reason: Sentence
    step: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "verdict": self.verdict,
            "rule": self.rule,
            "reason": self.reason.text,
            "step": self.step,
        }


def judge(facts: Facts) -> Verdict:
    """The first rule that applies, with reason and next step; of a broken task a cause in its rows goes first."""
    rule = next(rule for rule in RULES if rule.applies(facts))
    values = _values(facts)
    reason, chosen = Sentence(f"reason.{rule.name}", values), rule.step
    cause = next((one for one in CAUSES if one.applies(facts)), None) if rule.verdict == BROKEN else None
    if cause is not None:
        told = {"cause": Sentence(f"reason.{cause.name}", values), "seen": reason}
        reason, chosen = Sentence("reason.caused", told), cause.step
    step = chosen if isinstance(chosen, str) else chosen(facts)
    return Verdict(facts.score.task, rule.verdict, rule.name, reason, step)


def by_harm(verdicts: list[Verdict]) -> list[Verdict]:
    """The worst first; tasks of one verdict as they come."""
    return sorted(verdicts, key=lambda found: -VERDICTS.index(found.verdict))


def describe_unready(verdicts: list[Verdict]) -> list[Sentence]:
    """Of each task that is not to be relied on yet its verdict and why, the worst first: for whoever gets the
    model."""
    unready = [found for found in by_harm(verdicts) if found.verdict in (BROKEN, NOT_YET)]
    return [
        Sentence("says.unready", {"task": v.task, "verdict": Sentence(f"verdict.{v.verdict}"), "reason": v.reason})
        for v in unready
    ]


def read_verdicts(run_dir: Path, scores: list[TaskResult] | None = None) -> list[Verdict]:
    """One verdict a task of a run, also for tasks that no exam has asked about.

    Raises:
        RunError: there has been no exam yet.
    """
    found = {score.index: score for score in (read_scores(run_dir) if scores is None else scores)}
    folder = RunFolder(run_dir)
    events = folder.read_events() if folder.events_path.exists() else []
    cut, passes = _cut_practice(folder, events), _passes(folder, events)
    verdicts = []
    for record in folder.read_run()["tasks"]:
        score = found.get(int(record["index"])) or _unexamined(record)
        verdicts.append(judge(Facts(score, cut.get(score.task, 0.0), passes)))
    return verdicts


def describe_verdicts(verdicts: list[Verdict]) -> list[Sentence]:
    """One sentence a task: verdict, reason, next step."""
    return [
        Sentence(
            "says.verdict",
            {
                "task": found.task,
                "verdict": Sentence(f"verdict.{found.verdict}"),
                "reason": found.reason,
                "step": Sentence(f"step.{found.step}"),
            },
        )
        for found in by_harm(verdicts)
    ]


def _values(facts: Facts) -> dict[str, Any]:
    """Everything that a reason may name. Points of 100; shares in percent; `guess` is a sentence of its own."""
    score, seen = facts.score, facts.symptoms
    values: dict[str, Any] = {
        "task": score.task,
        "counts": Sentence(f"counts.{score.metric}"),
        "n": score.tuned.n,
        "score": _points(score.tuned.value),
        "low": _points(score.tuned.low),
        "practice": seen.practice,
        "few": FEW,
        "answer": short(seen.top_answer),
        "share": _percent(seen.top_share),
        "right": _percent(seen.top_right),
        "empty": _percent(seen.empty),
        "same": _percent(seen.truth_share),
        "others": seen.others,
        "found": seen.others_right,
        "unchanged": _percent(seen.unchanged or 0.0),
        "leaky": _percent(seen.leaky),
        "cut": _percent(facts.cut),
        "contradicting": _percent(seen.contradicting),
        "unseen": _percent(seen.unseen),
        "labels": ", ".join(seen.unseen_labels),
    }
    if score.best is not None and score.gain is not None:
        values |= {"guess": best_guess_sentence(score), "guessed": _points(score.best.value)}
        values |= {"gain": f"{abs(100 * score.gain.value):.1f}", "gain_low": f"{100 * score.gain.low:+.1f}"}
        values |= {"gain_high": f"{100 * score.gain.high:+.1f}"}
    if score.base is not None and score.change is not None:
        values |= {"base": _points(score.base.value), "loss": f"{abs(100 * score.change):.1f}"}
    return values


def _passes(folder: RunFolder, events: list[dict[str, Any]]) -> float:
    """How often the run's steps went through the practice rows of all its tasks; infinite where none is noted."""
    steps = max((int(event["step"]) for event in events if event["kind"] == "loss"), default=0)
    rows = sum(int(record.get("num_train", 0)) for record in folder.read_run()["tasks"])
    if not steps or not rows:
        return math.inf
    config = folder.read_config()
    return steps * config.batch_size * config.accumulation * num_ranks(config) / rows


def _cut_practice(folder: RunFolder, events: list[dict[str, Any]]) -> dict[str, float]:
    """Task -> share of practice rows that training had to cut or leave out, as the run noted it last: every resume
    notes the same rows again."""
    notices = [event for event in events if event["kind"] == "notice"]
    sizes = {str(record["name"]): int(record.get("num_train", 0)) for record in folder.read_run()["tasks"]}
    cut, left_out = dict.fromkeys(sizes, 0.0), dict.fromkeys(sizes, 0.0)
    for event in notices:
        values = event.get("values", {})
        task = str(values.get("task"))
        if event.get("key") in _ROWS_CUT and task in cut:
            cut[task] = float(values.get("share", 0)) / 100
        elif event.get("key") == "training.rows_left_out" and sizes.get(task):
            left_out[task] = float(values["count"]) / sizes[task]
    return {task: min(1.0, cut[task] + left_out[task]) for task in sizes}


def _unexamined(record: dict[str, Any]) -> TaskResult:
    return TaskResult(int(record["index"]), str(record["name"]), str(record["metric"]), Score(0.0, 0.0, 0.0, 0))


def _points(value: float) -> str:
    return f"{100 * value:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"

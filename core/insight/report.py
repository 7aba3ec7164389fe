"""A run as one HTML file to hand on: scores with intervals, sentences, skills, answers.

The page itself is assets/templates/report.html, in which every value is escaped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from core.adapters.registry import METHODS
from core.adapters.skill import COMMON
from core.base.documents import render
from core.base.errors import RunError
from core.evaluation.metrics import METRICS
from core.insight.allocation import layer_table, read_allocation, telling_layer, uniform_weight
from core.insight.compare import describe_coverage, describe_labels, worst_labels
from core.insight.contribution_table import describe_share, output_share, read_contributions
from core.insight.evidence import read_evidence
from core.insight.evidence_words import describe_evidence
from core.insight.forgotten import read_forgetting, tell_forgetting
from core.insight.layer_names import tell_layer
from core.insight.means import describe_mean
from core.insight.results import TaskResult, best_guess_sentence, doubt_of, read_answers, read_scores
from core.insight.sentences import describe_allocation
from core.insight.skill_notes import describe_skill_notes
from core.insight.verdicts import Verdict, by_harm, read_verdicts
from core.messages import Sentence
from core.runs.folder import RunFolder

WORDS = {  # headings by name; the screens give them in their language
    "scores": "Final exam",
    "skills": "Skills",
    "answers": "Answers",
    "task": "Task",
    "metric": "Metric",
    "rows": "Rows",
    "base": "untouched model",
    "tuned": "trained model",
    "guess": "Best guess",
    "gain": "Gain over the guess",
    "verdicts": "Can it be used?",
    "forgotten": "What it forgot",
    "verdict": "Verdict",
    "reason": "Why",
    "next": "Next",
    "question": "Question",
    "right": "Right answer",
    "common": "common skills",
    "private": "private skills",
}
LABELLED = "classification"


def _title(registry: Any) -> Callable[[str], str]:
    """Names to titles; a name that the registry does not know stays."""
    return lambda name: registry.get(name).title if name in registry else name


@dataclass(frozen=True)
class ReportWords:
    """The words of a report: English of the command line's own, or those of the screens in their language."""

    language: str = "en"
    headings: dict[str, str] = field(default_factory=lambda: dict(WORDS))
    sentence: Callable[[Sentence], str] = field(default=lambda said: said.text)
    metric: Callable[[str], str] = field(default=_title(METRICS))
    skill: Callable[[str], str] = field(default=str)
    method: Callable[[str], str] = field(default=_title(METHODS))


def build_report(run_dir: Path, words: ReportWords, num_answers: int = 0) -> str:
    """The whole page, with at most `num_answers` answers a task: rows of the exam, which may be private."""
    folder = RunFolder(run_dir)
    run = folder.read_run()
    scores = read_scores(run_dir) if folder.read_results() is not None else []
    labelled = {str(task["name"]) for task in run["tasks"] if task.get("kind") == LABELLED}
    asked = [_asked(run_dir, score.task, score.task in labelled, words, num_answers) for score in scores]
    return render(
        "report.html",
        language=words.language,
        heads=words.headings,
        name=run["name"],
        about=_about(run, words),
        verdicts=_verdicts(read_verdicts(run_dir, scores), words) if scores else [],
        means=_say(describe_mean(scores), words) if scores else [],
        scores=_scores(scores, words),
        counts=_counts(scores, words),
        forgotten=_forgotten(run_dir, words),
        skills=_skills(run_dir, words) if folder.allocation_path.exists() else None,
        asked=[one for one in asked if one["rows"] is not None or one["mistakes"]],
    )


def _verdicts(verdicts: list[Verdict], words: ReportWords) -> list[list[str]]:
    rows = []
    for v in by_harm(verdicts):
        said = (Sentence(f"verdict.{v.verdict}"), v.reason, Sentence(f"step.{v.step}"))
        rows.append([v.task, *map(words.sentence, said)])
    return rows


def _about(run: dict[str, object], words: ReportWords) -> str:
    made = time.strftime("%Y-%m-%d", time.gmtime(float(str(run["created"]))))
    parts = (run["run_id"], made, words.method(str(run["method"])), Path(str(run["base_model"])).name)
    return " · ".join(map(str, parts))


def _say(sentences: list[Sentence], words: ReportWords) -> list[str]:
    """Sentences in words; where one names a metric, by the metric's title."""
    said = []
    for one in sentences:
        named = {"metric": words.metric(one.values["metric"])} if "metric" in one.values else {}
        said.append(words.sentence(Sentence(one.key, {**one.values, **named})))
    return said


def _scores(scores: list[TaskResult], words: ReportWords) -> list[list[str]]:
    return [
        [
            s.task,
            words.metric(s.metric),
            str(s.tuned.n),
            _guess(s, words),
            _interval(s.base),
            _interval(s.tuned),
            _gain(s, words),
        ]
        for s in scores
    ]


def _counts(scores: list[TaskResult], words: ReportWords) -> list[str]:
    """What each metric counts, once."""
    counts = {s.metric: words.sentence(Sentence(f"counts.{s.metric}")) for s in scores}
    return [f"{words.metric(name)}: {text}" for name, text in counts.items()]


def _guess(score: TaskResult, words: ReportWords) -> str:
    said = best_guess_sentence(score)
    return f"{100 * score.best.value:.1f} ({words.sentence(said)})" if said and score.best else "-"


def _gain(score: TaskResult, words: ReportWords) -> str:
    """With what keeps it from being called real."""
    doubt = doubt_of(score.gain)
    return _interval(score.gain, "+") + (f" ({words.sentence(doubt)})" if doubt else "")


def _interval(score: object, sign: str = "") -> str:
    value, low, high = (getattr(score, name, None) for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "-"
    return f"{100 * value:{sign}.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _forgotten(run_dir: Path, words: ReportWords) -> list[str]:
    found = read_forgetting(run_dir)
    return [] if found is None else _say(tell_forgetting(found), words)


def _skills(run_dir: Path, words: ReportWords) -> dict[str, Any]:
    """What was measured, else what the weights show; weights of the layer that tells most; common and private."""
    evidence, allocation = read_evidence(run_dir), read_allocation(run_dir)
    told = describe_evidence(evidence) if evidence is not None else describe_allocation(allocation)
    told = [*told, *describe_skill_notes(run_dir)]
    layer = telling_layer(allocation)
    common = [] if allocation.is_lone else [allocation.skills[i].name for i in allocation.columns(COMMON)]
    if common and len(allocation.layers) > 1:
        told = [*told, tell_layer(allocation, layer)]
    table = layer_table(allocation, layer)[common].rename(columns=lambda name: words.skill(str(name)))
    found = read_contributions(run_dir)
    share = output_share(found) if found else None
    by_task = [] if share is None else [(str(task), 100 * float(share.loc[task, COMMON])) for task in share.index]
    return {
        "told": _say(told, words),
        "map": _heatmap(table, uniform_weight(allocation)) if common else None,
        "shares_told": [] if share is None else _say(describe_share(share), words),
        "shares": by_task,
    }


def _heatmap(table: pd.DataFrame, uniform: float) -> dict[str, Any]:
    """Weights with the opacity of their cells: twice the even share and more is full colour."""
    rows = []
    for task in table.index:
        shares = [(value, min(1.0, max(0.0, float(value) / (2 * uniform)))) for value in table.loc[task]]
        rows.append((str(task), [(f"{value:.2f}", f"{0.7 * share:.2f}") for value, share in shares]))
    return {"skills": [str(name) for name in table.columns], "rows": rows}


def _asked(run_dir: Path, task: str, has_labels: bool, words: ReportWords, count: int) -> dict[str, Any]:
    """A task's answers, wrong ones first: they are what a reader looks for. `rows` is None where none were kept
    or none may be shown."""
    said = describe_labels(worst_labels(run_dir, task), describe_coverage(run_dir, task)) if has_labels else []
    mistakes = _say(said, words) if has_labels else None
    if not count:
        return {"name": task, "mistakes": mistakes, "rows": None}
    try:
        answers = read_answers(run_dir, task).sort_values("tuned_score", kind="stable").head(count)
    except RunError:
        return {"name": task, "mistakes": mistakes, "rows": None}
    rows = []
    for row in answers.to_dict("records"):
        marks = ["", "", "" if row["base_score"] == 1 else "wrong", "" if row["tuned_score"] == 1 else "wrong"]
        texts = [row[name] if isinstance(row[name], str) else "" for name in ("prompt", "target", "base", "tuned")]
        rows.append(list(zip(marks, texts, strict=True)))
    return {"name": task, "mistakes": mistakes, "rows": rows}

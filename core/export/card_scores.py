"""The part of a model card that says what the exam showed: verdicts, scores beside guessing, what metrics count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.export.markdown import escape, markdown_table
from core.insight.forgotten import read_forgetting, tell_forgetting
from core.insight.results import TaskResult, best_guess_sentence
from core.insight.verdicts import read_verdicts
from core.messages import Sentence, word


def score_section(run_dir: Path, scores: list[TaskResult], words: dict[str, str], language: str) -> str:
    """The verdict of each task with its reason, the scores beside guessing, and what each metric counts."""
    if not scores:
        return words["no_scores"]
    shown = {s.task for s in scores}
    verdicts = [v for v in read_verdicts(run_dir) if v.task in shown]
    judged = [
        [escape(v.task), _said(Sentence(f"verdict.{v.verdict}"), language), _said(v.reason, language)]
        for v in verdicts
    ]
    rows = [
        [
            escape(s.task),
            words[f"metric_{s.metric}"],
            s.tuned.n,
            _guess(s, language),
            _interval(s.base),
            _interval(s.tuned),
            _interval(s.gain, "+"),
        ]
        for s in scores
    ]
    metrics = dict.fromkeys(s.metric for s in scores)
    counts = [
        f"- {words[f'metric_{m}']}{words['colon']}{_said(Sentence(f'counts.{m}'), language)}" for m in metrics
    ]
    parts = [markdown_table(words["verdicts_head"], judged), words["scores_note"]]
    return "\n\n".join([*parts, markdown_table(words["scores_head"], rows), "\n".join(counts)])


def forgotten_lines(run_dir: Path, language: str) -> list[str]:
    """What training cost in general knowledge, as list items; [] where it was not measured."""
    found = read_forgetting(run_dir)
    if found is None:
        return []
    return [f"- {_said(said, language)}" for said in tell_forgetting(found)]


def _guess(score: TaskResult, language: str) -> str:
    said = best_guess_sentence(score)
    return f"{100 * score.best.value:.1f} ({_said(said, language)})" if said and score.best else "-"


def _said(said: Sentence, language: str) -> str:
    return escape(word(said, language))


def _interval(score: Any, sign: str = "") -> str:
    if score is None:
        return "-"
    low, high = f"{100 * score.low:.1f}", f"{100 * score.high:.1f}"
    return f"{100 * score.value:{sign}.1f} [{low}, {high}]"

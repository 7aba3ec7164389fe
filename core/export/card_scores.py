"""The part of a model card that says what the exam showed: verdicts, scores beside guessing, what metrics count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.export.markdown import escape, markdown_table
from core.insight.forgotten import read_forgetting, tell_forgetting
from core.insight.results import TaskResult, best_guess_sentence, doubt_of
from core.insight.verdicts import by_harm, read_verdicts
from core.messages import Sentence

Say = Callable[[Sentence], str]


def score_section(run_dir: Path, scores: list[TaskResult], words: dict[str, str], say: Say) -> str:
    """The verdict of each task with its reason, the scores beside guessing, and what each metric counts; `say`
    words a statement in the card's language."""
    if not scores:
        return words["no_scores"]
    shown = {s.task for s in scores}
    verdicts = [v for v in by_harm(read_verdicts(run_dir)) if v.task in shown]
    judged = [
        [escape(v.task), escape(say(Sentence(f"verdict.{v.verdict}"))), escape(say(v.reason))] for v in verdicts
    ]
    rows = [
        [
            escape(s.task),
            words[f"metric_{s.metric}"],
            s.tuned.n,
            _guess(s, say),
            _interval(s.base),
            _interval(s.tuned),
            _gain(s, say),
        ]
        for s in scores
    ]
    metrics = dict.fromkeys(s.metric for s in scores)
    counts = [f"- {words[f'metric_{m}']}{words['colon']}{escape(say(Sentence(f'counts.{m}')))}" for m in metrics]
    parts = [markdown_table(words["verdicts_head"], judged), words["scores_note"]]
    return "\n\n".join([*parts, markdown_table(words["scores_head"], rows), "\n".join(counts)])


def forgotten_lines(run_dir: Path, say: Say) -> list[str]:
    """What training cost in general knowledge, as list items; [] where it was not measured."""
    found = read_forgetting(run_dir)
    if found is None:
        return []
    return [f"- {escape(say(said))}" for said in tell_forgetting(found)]


def _guess(score: TaskResult, say: Say) -> str:
    said = best_guess_sentence(score)
    return f"{100 * score.best.value:.1f} ({escape(say(said))})" if said and score.best else "-"


def _gain(score: TaskResult, say: Say) -> str:
    """With what keeps it from being called real."""
    doubt = doubt_of(score.gain)
    return _interval(score.gain, "+") + (f" ({escape(say(doubt))})" if doubt else "")


def _interval(score: Any, sign: str = "") -> str:
    if score is None:
        return "-"
    low, high = f"{100 * score.low:.1f}", f"{100 * score.high:.1f}"
    return f"{100 * score.value:{sign}.1f} [{low}, {high}]"

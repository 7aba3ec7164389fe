"""The exam of a run as one number: means over its tasks, each with its interval, and what may be said of them.
Torch-free."""

from __future__ import annotations

from core.evaluation.intervals import FEW, Difference, Score, mean_difference, mean_score
from core.insight.results import TaskResult
from core.messages import Sentence


def mean_scores(scores: list[TaskResult]) -> tuple[Score | None, Score]:
    """Mean over the tasks of the base (None where it was not examined) and of the tuned model."""
    base = [s.base for s in scores if s.base]
    return (mean_score(base) if len(base) == len(scores) else None), mean_score([s.tuned for s in scores])


def mean_guess(scores: list[TaskResult]) -> float | None:
    """Mean of the best guesses; None unless all tasks have one."""
    best = [s.best.value for s in scores if s.best]
    return sum(best) / len(best) if best and len(best) == len(scores) else None


def mean_gain(scores: list[TaskResult]) -> Difference | None:
    """Mean of what the trained model scores above the best guesses; None unless it is known of all tasks."""
    gains = [s.gain for s in scores if s.gain]
    return mean_difference(gains) if gains and len(gains) == len(scores) else None


def describe_mean(scores: list[TaskResult]) -> list[Sentence]:
    """The means over the tasks, where there are several: trained, guessing, untouched, and whether it is more than
    guessing; [] otherwise."""
    if len(scores) < 2:
        return []
    base, tuned = mean_scores(scores)
    guess, gain = mean_guess(scores), mean_gain(scores)
    values = {
        "n": len(scores),
        "tuned": _points(tuned.value),
        "low": _points(tuned.low),
        "high": _points(tuned.high),
    }
    values |= {"guess": _points(guess)} if guess is not None else {}
    values |= {"base": _points(base.value)} if base is not None else {}
    key = "says.mean" + ("" if guess is None else "_guess") + ("" if base is None else "_base")
    return [Sentence(key, values), *([] if gain is None else [_against_guessing(gain)])]


def _against_guessing(gain: Difference) -> Sentence:
    if gain.n < FEW:
        return Sentence("says.mean_few", {"few": FEW})
    if not gain.is_sure:
        return Sentence("says.mean_open", {"low": f"{100 * gain.low:+.1f}", "high": f"{100 * gain.high:+.1f}"})
    key = "says.mean_above" if gain.value > 0 else "says.mean_below"
    least, most = sorted((abs(gain.low), abs(gain.high)))
    return Sentence(key, {"points": _points(abs(gain.value)), "low": _points(least), "high": _points(most)})


def _points(value: float) -> str:
    return f"{100 * value:.1f}"

"""The outcome of adding a task, as a table and in words. Torch-free; `core.asking.new_task` makes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.evaluation.intervals import FEW, mean_interval
from core.insight.results import TaskResult, read_scores, short
from core.messages import Sentence

COUNTED = ("accuracy", "exact_match", "number_match")  # metrics of which an answer is right or wrong
YES, FEW_ROWS, MAYBE, WORSE = "yes", "few", "maybe", "worse"
LITTLE = 0.02  # a gain below two points is not worth more rows


@dataclass(frozen=True)
class NewScore:
    """The new task's exam against guessing: scores 0..1 on `n` questions, what the best guess is called and, if it
    is the most frequent answer, says; `better`: surely (yes), too few rows to say (few), perhaps (maybe), surely
    not (worse). `guess` is None where there is nothing to guess from."""

    score: float
    n: int
    guess: float | None
    guess_name: str
    answer: str
    better: str


@dataclass(frozen=True)
class Growth:
    """`curve`: scores (0..1) of every draw by number of rows; `untrained` with the nearest task's row as it is."""

    run_id: str
    task: str
    metric: str
    nearest: list[tuple[str, float]]
    untrained: float
    curve: dict[int, list[float]]
    questions: int = 0  # exam rows behind every score; 0: an older version did not note them
    exam: NewScore | None = None  # of the run that was written; None: an older version did not note it
    check_rows: int = 0  # labelled rows beside those of every trial, which choose the state that is kept
    without_router: str | None = None  # why the new run has no router although the old one has


def describe_besides(check_rows: int, without_router: str | None) -> list[Sentence]:
    """What else was labelled than the rows of a trial, and why the new run has no router where the old one has."""
    told = [Sentence("says.new_task_checked", {"count": check_rows})] if check_rows else []
    return told + ([Sentence("chat.no_router_yet", {"detail": without_router})] if without_router else [])


def read_new_score(run_dir: Path, task: str) -> NewScore | None:
    """The exam of a run's new task; None without one."""
    found = next((score for score in read_scores(run_dir) if score.task == task), None)
    if found is None:
        return None
    guess, name = found.best, found.best_guess or ""
    better = _better(found)
    return NewScore(
        found.tuned.value, found.tuned.n, guess.value if guess else None, name, short(found.most_frequent), better
    )


def _better(found: TaskResult) -> str:
    gain = found.gain
    if found.tuned.n < FEW or gain is None:
        return FEW_ROWS
    if not gain.is_sure:
        return MAYBE
    return YES if gain.value > 0 else WORSE


def describe_new_score(found: NewScore, task: str, metric: str) -> Sentence:
    """In one sentence: how many are right, what guessing gets, and whether that is more than chance."""
    is_counted = metric in COUNTED
    unit = found.n if is_counted else 100
    values = {"task": task, "n": found.n, "score": _number(unit * found.score)}
    values |= {"counts": Sentence(f"counts.{metric}")}
    key = f"says.new_{'right' if is_counted else 'score'}"
    if found.guess is None:
        return Sentence(f"{key}_alone", values)
    values |= {"guess": _number(unit * found.guess), "better": Sentence(f"says.new_better_{found.better}")}
    values |= {"how": Sentence(f"guesswork.{found.guess_name}", {"answer": found.answer})}
    return Sentence(key, values)


def _number(value: float) -> str:
    """Without a decimal where there is none: three of ten right, but 3.3 of ten by lot."""
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"


def growth_frame(found: Growth) -> pd.DataFrame:
    """rows, draws, mean, low, high: the 95 % interval over the draws, cut to 0..1; NaN for a single draw."""
    rows = [{"rows": 0, "draws": 1, "mean": found.untrained, "low": np.nan, "high": np.nan}]
    for count, values in sorted(found.curve.items()):
        low, high = mean_interval(values, found.questions)
        band = (np.nan, np.nan) if low != low else (max(0.0, low), min(1.0, high))
        rows.append(
            {"rows": count, "draws": len(values), "mean": float(np.mean(values)), "low": band[0], "high": band[1]}
        )
    return pd.DataFrame(rows)


def describe_growth(found: Growth) -> list[Sentence]:
    """How it does against guessing; from where to where, how sure, from how many rows on more bring little."""
    frame = growth_frame(found)
    first = [] if found.exam is None else [describe_new_score(found.exam, found.task, found.metric)]
    last = frame.iloc[-1]
    values = {"task": found.task, "nearest": found.nearest[0][0], "metric": found.metric, "rows": int(last["rows"])}
    points = {"start": f"{100 * found.untrained:.1f}", "end": f"{100 * last['mean']:.1f}"}
    told = [*first, Sentence("says.new_task", {**values, **points})]
    if last["low"] == last["low"]:
        band = {"low": f"{100 * last['low']:.1f}", "high": f"{100 * last['high']:.1f}"}
        counts = {"rows": int(last["rows"]), "draws": int(last["draws"])}
        told.append(Sentence("says.new_task_band", counts | band))
    told += describe_besides(found.check_rows, found.without_router)
    if found.questions < FEW:
        return told  # too few questions to say that more rows bring nothing
    enough = frame[(frame["rows"] > 0) & (frame["mean"] >= last["mean"] - LITTLE)].iloc[0]
    if int(enough["rows"]) < int(last["rows"]):
        told.append(Sentence("says.new_task_enough", {"rows": int(enough["rows"]), "points": round(100 * LITTLE)}))
    return told

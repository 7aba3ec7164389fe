"""Exam results of a run as tables: task x metric, trained against guessing and against the untouched model, and the
answers behind the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from core.base.errors import RunError, WorkspaceError
from core.base.files import read_json
from core.base.records import from_record
from core.evaluation.intervals import FEW, Difference, Score
from core.evaluation.metrics import values_of_rows
from core.evaluation.results import judge_answers
from core.evaluation.symptoms import Symptoms, find_symptoms
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.tasks.dataset import Example, load_saved_dataset
from core.tasks.spec import TaskSpec

ANSWER_COLUMNS = ["row", "line", "prompt", "target", "base", "tuned", "base_score", "tuned_score", "flagged"]
FILTERS = ("all", "wrong", "fixed", "broken", "flagged")
LONGEST_QUOTE = 60  # characters of an answer inside a sentence
NAN = float("nan")
RIGHT = 0.999  # the score of one answer from which on it counts as right; F1-like metrics are rarely exactly 1


@dataclass(frozen=True)
class TaskResult:
    """One task's exam. Values lie in 0..1; `base` is missing when the base model was not examined.

    `guesses` by name (`evaluation.guesses`), the best of them by name, what the most frequent answer is, and
    `gain`, trained minus the best guess, paired; empty and None where there are no practice rows to guess from.
    """

    index: int
    task: str
    metric: str
    tuned: Score
    base: Score | None = None
    difference: Difference | None = None
    kind: str = ""
    guesses: dict[str, Score] = field(default_factory=dict)
    best_guess: str | None = None
    most_frequent: str = ""
    gain: Difference | None = None
    symptoms: Symptoms | None = None

    @property
    def best(self) -> Score | None:
        """The best guess."""
        return self.guesses[self.best_guess] if self.best_guess else None

    @property
    def change(self) -> float | None:
        """Tuned minus base."""
        return None if self.base is None else self.tuned.value - self.base.value

    @property
    def is_sure(self) -> bool:
        """Whether the difference is called real (`evaluation.intervals`)."""
        return self.difference is not None and self.difference.is_sure


def read_scores(run_dir: Path) -> list[TaskResult]:
    """The exam of a run, one entry a task that has been examined. What results of older versions lack is counted
    from the answers and the practice rows of the run, where they are still there.

    Raises:
        RunError: there has been no exam yet.
    """
    folder = RunFolder(run_dir)
    results = folder.read_results()
    if results is None:
        raise RunError("insight.no_results", run=run_dir.name)
    records = [record for record in results["tasks"] if record.get("tuned")]
    lacking = _judged if any("guesses" not in record for record in records) else _symptoms
    if lacking is _judged or any("others" not in (record.get("symptoms") or {}) for record in records):
        missing = lacking(str(run_dir), folder.results_path.stat().st_mtime_ns)
        records = [record | missing.get(int(record["index"]), {}) for record in records]
    return [_task_result(record, folder.results_path) for record in records]


def score_frame(scores: list[TaskResult]) -> pd.DataFrame:
    """One row a task: metric, n, the best guess, base and tuned with intervals, gain over the guess and change
    against base, each with the p-value of "no difference". What was not measured is NaN, left empty in tables."""
    rows = []
    for s in scores:
        row = {"task": s.task, "metric": s.metric, "n": s.tuned.n, "best_guess": s.best_guess or ""}
        row |= _parts("guess", s.best) | _parts("base", s.base) | _parts("tuned", s.tuned)
        row |= {"gain": s.gain.value if s.gain else NAN, "gain_low": s.gain.low if s.gain else NAN}
        row |= {"gain_high": s.gain.high if s.gain else NAN, "gain_p": s.gain.p if s.gain else NAN}
        row |= {"change": s.change if s.change is not None else NAN, "p": s.difference.p if s.difference else NAN}
        rows.append(row)
    return pd.DataFrame(rows)


def _parts(name: str, score: Score | None) -> dict[str, float]:
    values = (score.value, score.low, score.high) if score else (NAN, NAN, NAN)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def scores_value(scores: list[TaskResult]) -> list[dict[str, Any]]:
    """The same as JSON values."""
    return [
        {
            "task": s.task,
            "metric": s.metric,
            "n": s.tuned.n,
            "tuned": s.tuned.as_dict(),
            "base": s.base.as_dict() if s.base else None,
            "change": s.change,
            "difference": s.difference.as_dict() if s.difference else None,
            "guesses": {name: guess.as_dict() for name, guess in s.guesses.items()},
            "best_guess": s.best_guess,
            "most_frequent": s.most_frequent,
            "gain": s.gain.as_dict() if s.gain else None,
        }
        for s in scores
    ]


def doubt_of(change: Difference | None, is_sure: bool | None = None) -> Sentence | None:
    """Why a difference is not called real, in words: too few rows to say, or it may be chance; None where it is,
    where there is none to speak of, or none was measured. `is_sure`: a judgement corrected for several."""
    if change is None or (change.is_sure if is_sure is None else is_sure) or round(100 * change.value, 1) == 0:
        return None
    return Sentence("unsure.few" if change.n < FEW else "unsure.chance")


def best_guess_sentence(score: TaskResult) -> Sentence | None:
    """What the best guess does, in words; None where none was measured."""
    if score.best_guess is None:
        return None
    return Sentence(f"guesswork.{score.best_guess}", {"answer": short(score.most_frequent)})


def short(answer: str) -> str:
    """An answer on one line, as a sentence quotes it."""
    text = " ".join(answer.split())
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


def read_task_records(run_dir: Path) -> list[dict[str, Any]]:
    """The tasks of a run as its run.json lists them: index, name, metric, kind, sizes."""
    return RunFolder(run_dir).read_task_records()


def read_answers(
    run_dir: Path, task: str, kind: str = "all", search: str = "", other: Path | None = None
) -> pd.DataFrame:
    """Exam answers of one task with their scores: ANSWER_COLUMNS, and with `other` a second run's answers to the
    same rows (other, other_score; empty where it did not answer the row).

    kind: all, wrong (by the tuned model), fixed (base wrong, tuned right), broken (base right, tuned wrong) or
    flagged. search: only rows that contain this text, in any column, whatever the case.

    Raises:
        RunError: no such task, or it has not been examined.
    """
    folder = RunFolder(run_dir)
    tasks = {record["name"]: record for record in read_task_records(run_dir)}
    if task not in tasks:
        raise RunError("insight.no_task", task=task, known=", ".join(tasks))
    records = folder.read_predictions(int(tasks[task]["index"]))
    if not records:
        raise RunError("insight.no_predictions", run=run_dir.name, task=task)
    answers = _scored(records, str(tasks[task]["metric"]))
    answers["flagged"] = answers["row"].isin(read_marks(run_dir, task))
    if other is not None:
        answers = _with_other(answers, other, task)
    kept = answers[_kept(answers, kind)]
    if search.strip():
        names = [name for name in ("prompt", "target", "base", "tuned", "other") if name in kept]
        texts = kept[names].fillna("").astype(str).agg(" ".join, axis=1)
        kept = kept[texts.str.contains(search.strip(), case=False, regex=False)]
    return kept.reset_index(drop=True)


def require_answer(run_dir: Path, task: str, row: int) -> dict[str, Any]:
    """One answered exam row: {row, line, prompt, target, base, tuned}.

    Raises:
        RunError: no such task, or the row was not answered.
    """
    tasks = {record["name"]: record for record in read_task_records(run_dir)}
    if task not in tasks:
        raise RunError("insight.no_task", task=task, known=", ".join(tasks))
    for record in RunFolder(run_dir).read_predictions(int(tasks[task]["index"])):
        if int(record["row"]) == row:
            return record
    raise RunError("insight.no_row", row=row, task=task)


def read_marks(run_dir: Path, task: str) -> set[int]:
    """Rows of a task that were marked to look at again."""
    path = RunFolder(run_dir).flags_path
    return set(read_json(path).get(task, [])) if path.is_file() else set()


def _with_other(answers: pd.DataFrame, other: Path, task: str) -> pd.DataFrame:
    try:
        second = read_answers(other, task)[["row", "target", "tuned", "tuned_score"]]
    except RunError as error:
        if error.key not in ("insight.no_task", "insight.no_predictions"):
            raise
        return answers.assign(other=None, other_score=float("nan"))
    named = second.rename(columns={"tuned": "other", "tuned_score": "other_score"})
    return answers.merge(named, on=["row", "target"], how="left")


def _scored(records: list[dict[str, Any]], metric: str) -> pd.DataFrame:
    answers = pd.DataFrame(records).reindex(columns=ANSWER_COLUMNS[:6])
    targets = [str(t) for t in answers["target"]]
    for side in ("base", "tuned"):
        given = answers[side].notna()
        texts = [str(t) if known else "" for t, known in zip(answers[side], given, strict=True)]
        answers[f"{side}_score"] = pd.Series(values_of_rows(metric, texts, targets)).where(given)
    return answers


def _kept(answers: pd.DataFrame, kind: str) -> pd.Series[bool]:
    if kind not in FILTERS:
        raise RunError("registry.unknown", kind="filter", name=kind, known=", ".join(FILTERS))
    right, before = answers["tuned_score"] >= RIGHT, answers["base_score"] >= RIGHT
    known = answers["base_score"].notna()
    chosen = {
        "all": right | ~right,
        "wrong": ~right,
        "fixed": known & ~before & right,
        "broken": known & before & ~right,
        "flagged": answers["flagged"].astype(bool),
    }
    return chosen[kind]


def _task_result(record: dict[str, Any], source: Path) -> TaskResult:
    names = {"task": "name", "most_frequent": "most_frequent"}
    found = {**record, **{name: record.get(given) or "" for name, given in names.items()}}
    return from_record(TaskResult, found, source)


@lru_cache(maxsize=8)
def _judged(run_dir: str, _: int) -> dict[int, dict[str, Any]]:
    """What results of version 1 lack, by task index; {} for a run whose data is gone."""
    return {index: judge_answers(*asked) for index, asked in enumerate(_asked(RunFolder(run_dir)))}


@lru_cache(maxsize=8)
def _symptoms(run_dir: str, _: int) -> dict[int, dict[str, Any]]:
    """What results of version 2 lack of their symptoms, as `_judged`."""
    found = (find_symptoms(*asked) for asked in _asked(RunFolder(run_dir)))
    return {index: {"symptoms": asdict(one)} for index, one in enumerate(found)}


def _asked(folder: RunFolder) -> list[tuple[TaskSpec, Sequence[Example], list[dict[str, Any]]]]:
    """Of each task its practice rows and the answers of its exam; [] for a run whose data is gone."""
    try:
        dataset = load_saved_dataset(folder.data_dir)
    except WorkspaceError:
        return []
    return [
        (spec, dataset.split(index, "train"), folder.read_predictions(index))
        for index, spec in enumerate(dataset.tasks)
    ]


def _points(value: float) -> str:
    return f"{100 * value:.1f}"

"""From exam answers to results.json: every task's score with its interval, beside the untouched model's and what a
guess would score, and the symptoms that a verdict looks at. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.base.lines import read_records
from core.evaluation.certainty import calibration
from core.evaluation.guesses import Questions, best_guess, gain_over, guess_scores, make_guesses
from core.evaluation.metrics import compare, score
from core.evaluation.normalise import plain
from core.evaluation.symptoms import find_symptoms
from core.tasks.dataset import Example, TaskDataset
from core.tasks.spec import TaskSpec

VERSION = 3  # 1 had neither guesses nor symptoms, 2 did not count the rows with another right answer


def build_results(
    dataset: TaskDataset,
    predictions_dir: Path,
    seed: int = 0,
    only_labels: bool = False,
    known: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Scores of all tasks that have answers. `only_labels` notes that the answers could only be labels; `known`:
    the results of the same exam some tasks earlier, which are not counted again.

    Returns:
        {version, only_labels, tasks: [{index, task_id, name, kind, metric, n, base, tuned, difference, certainty,
        guesses, best_guess, most_frequent, gain, symptoms}], mean: {base, tuned}}; base and tuned are {value, low,
        high, n} or None, difference (tuned minus base) and gain (tuned minus the best guess) {value, low, high, p,
        n} or None, guesses by name (see `guesses.py`; {} where nothing can be guessed from); certainty {error,
        sure, right, n} of the tuned answers that say how sure they are, or None: expected calibration error, mean
        stated certainty, share that is right; values 0..1.
    """
    done = {record["index"]: record for record in (known or {}).get("tasks", []) if record["n"]}
    rows = [
        done.get(index) or _task_result(dataset, index, predictions_dir, seed)
        for index in range(len(dataset.tasks))
    ]
    means = {who: _mean([row[who]["value"] for row in rows if row[who]]) for who in ("base", "tuned")}
    return {"version": VERSION, "only_labels": only_labels, "tasks": rows, "mean": means}


def judge_answers(
    spec: TaskSpec, practice: Sequence[Example], answers: Sequence[dict[str, Any]], seed: int = 0
) -> dict[str, Any]:
    """Guesses, gain and symptoms of a task's answered exam rows: the part of its record that version 1 lacked."""
    targets = [str(answer["target"]) for answer in answers]
    tuned = [answer.get("tuned") for answer in answers]
    guesses = make_guesses(spec, practice, Questions([str(a["prompt"]) for a in answers], targets), seed)
    scores = guess_scores(spec, guesses, seed)
    best = best_guess(scores)
    gain = None
    if best is not None and all(isinstance(text, str) for text in tuned):
        chosen = next(guess for guess in guesses if guess.name == best)
        gain = gain_over(spec, chosen, [str(text) for text in tuned], targets, seed).as_dict()
    return {
        "guesses": {name: found.as_dict() for name, found in scores.items()},
        "best_guess": best,
        "most_frequent": guesses[0].answer if guesses else None,
        "gain": gain,
        "symptoms": asdict(find_symptoms(spec, practice, answers)),
    }


def _task_result(dataset: TaskDataset, index: int, predictions_dir: Path, seed: int) -> dict[str, Any]:
    spec, answers = dataset.tasks[index], read_records(predictions_dir / f"{index}.jsonl")
    targets = [answer["target"] for answer in answers]
    given = {who: [a[who] for a in answers] if answers and who in answers[0] else None for who in ("base", "tuned")}
    base, tuned = given["base"], given["tuned"]
    both = base is not None and tuned is not None
    record: dict[str, Any] = {
        "index": index,
        "task_id": spec.task_id,
        "name": spec.name,
        "kind": spec.kind,
        "metric": spec.metric,
        "n": len(answers),
        "base": score(spec.metric, base, targets, seed).as_dict() if base is not None else None,
        "tuned": score(spec.metric, tuned, targets, seed).as_dict() if tuned is not None else None,
        "difference": compare(spec.metric, base or [], tuned or [], targets, seed).as_dict() if both else None,
        "certainty": _certainty(answers),
    }
    return record | judge_answers(spec, dataset.split(index, "train"), answers, seed)


def _certainty(answers: list[dict[str, Any]]) -> dict[str, float | int] | None:
    told = [answer for answer in answers if answer.get("tuned_sure") is not None]
    if not told:
        return None
    sure = np.array([answer["tuned_sure"] for answer in told])
    right = np.array([plain(answer["tuned"]) == plain(answer["target"]) for answer in told])
    error, _ = calibration(sure, right)
    return {"error": error, "sure": float(sure.mean()), "right": float(right.mean()), "n": len(told)}


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None

"""From exam answers to results.json: every task's score with its interval, base against tuned. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.base.lines import read_records
from core.evaluation.metrics import compare, score
from core.tasks.spec import TaskSpec

VERSION = 1


def build_results(
    tasks: tuple[TaskSpec, ...], predictions_dir: Path, seed: int = 0, only_labels: bool = False
) -> dict[str, Any]:
    """Scores of all tasks that have answers. `only_labels` notes that the answers could only be labels.

    Returns:
        {version, only_labels, tasks: [{index, task_id, name, kind, metric, n, base, tuned, difference}], mean:
        {base, tuned}}; base and tuned are {value, low, high, n} or None, difference {value, low, high, p, n} or
        None; values 0..1.
    """
    rows = [_task_result(index, spec, predictions_dir, seed) for index, spec in enumerate(tasks)]
    means = {who: _mean([row[who]["value"] for row in rows if row[who]]) for who in ("base", "tuned")}
    return {"version": VERSION, "only_labels": only_labels, "tasks": rows, "mean": means}


def _task_result(index: int, spec: TaskSpec, predictions_dir: Path, seed: int) -> dict[str, Any]:
    answers = read_records(predictions_dir / f"{index}.jsonl")
    targets = [answer["target"] for answer in answers]
    given = {who: [a[who] for a in answers] if answers and who in answers[0] else None for who in ("base", "tuned")}
    base, tuned = given["base"], given["tuned"]
    both = base is not None and tuned is not None
    return {
        "index": index,
        "task_id": spec.task_id,
        "name": spec.name,
        "kind": spec.kind,
        "metric": spec.metric,
        "n": len(answers),
        "base": score(spec.metric, base, targets, seed).as_dict() if base is not None else None,
        "tuned": score(spec.metric, tuned, targets, seed).as_dict() if tuned is not None else None,
        "difference": compare(spec.metric, base or [], tuned or [], targets, seed).as_dict() if both else None,
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None

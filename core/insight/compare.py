"""Is one run better than another, and where: paired tests on the same exam rows, confusions, worst labels.

Intervals, p-values and what is called sure come from `evaluation.intervals`. With several tasks the p-values are
corrected by Holm's method, so that one in twenty "findings" is not chance by construction. Torch-free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from core.base.errors import RunError, WorkspaceError
from core.evaluation.intervals import Difference, holm, is_sure
from core.evaluation.metrics import compare
from core.evaluation.normalise import plain
from core.evaluation.symptoms import LABELLED
from core.insight.results import RIGHT, read_answers, read_task_records
from core.insight.verdict_rules import BROKEN, NOT_YET
from core.insight.verdicts import Verdict, read_verdicts
from core.messages import Sentence
from core.runs.folder import RunFolder

RIGHT_OR_WRONG = ("accuracy", "exact_match", "number_match")
OTHER = "(other)"
MOST_LABELS, NAMED_LABELS = 40, 5


@dataclass(frozen=True)
class Comparison:
    """One task, second run against first. `p` is of "no difference", `p_adjusted` corrected for all tasks shown.

    `only_first` and `only_second` count rows that only one run got right (None for metrics that are not right or
    wrong a row).
    """

    task: str
    metric: str
    difference: Difference
    p: float
    p_adjusted: float
    only_first: int | None = None
    only_second: int | None = None

    @property
    def is_sure(self) -> bool:
        return is_sure(self.difference, self.p_adjusted)


def compare_runs(first: Path, second: Path) -> list[Comparison]:
    """The tuned models of two runs on the tasks and exam rows that both answered.

    Raises:
        RunError: no common task was examined in both, or their rows differ.
    """
    others = {record["name"] for record in read_task_records(second)}
    names = [record["name"] for record in read_task_records(first) if record["name"] in others]
    found = []
    for name in names:
        pairs = _common_rows(first, second, name)
        if pairs is not None:
            found.append(_compare(name, _metric(first, name), pairs))
    if not found:
        raise RunError("insight.no_exam_shared")
    adjusted = holm([one.p for one in found])
    return [replace(one, p_adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def comparison_frame(comparisons: list[Comparison]) -> pd.DataFrame:
    """One row a task: metric, rows, second minus first with its interval, p, corrected p, who was right."""
    return pd.DataFrame(
        [
            {
                "task": c.task,
                "metric": c.metric,
                "n": c.difference.n,
                "difference": c.difference.value,
                "low": c.difference.low,
                "high": c.difference.high,
                "p": c.p,
                "p_adjusted": c.p_adjusted,
                "only_first": c.only_first,
                "only_second": c.only_second,
            }
            for c in comparisons
        ]
    )


def describe_comparison(comparisons: list[Comparison]) -> list[Sentence]:
    """One sentence a task: which run is better, or that these rows cannot tell."""
    sentences = []
    for c in comparisons:
        key = "says.second_better" if c.difference.value > 0 else "says.first_better"
        p = shown_p(c.p_adjusted)
        values = {"task": c.task, "points": f"{abs(100 * c.difference.value):.1f}", "n": c.difference.n}
        values["p"] = p if p.startswith("<") else f"= {p}"
        sentences.append(Sentence(key if c.is_sure else "says.runs_alike", values))
    return sentences


def describe_standings(first: Path, second: Path, comparisons: list[Comparison]) -> list[Sentence]:
    """Beside each difference that is called real: which of the two runs is broken or not ready there, and why.
    Better than a broken model is not yet good."""
    found = [_verdicts_of(run_dir) for run_dir in (first, second)]
    return [
        Sentence(
            f"says.{side}_stands", {"task": c.task, "verdict": Sentence(f"verdict.{v.verdict}"), "reason": v.reason}
        )
        for c in comparisons
        if c.is_sure
        for side, verdicts in zip(("first", "second"), found, strict=True)
        if (v := verdicts.get(c.task)) is not None and v.verdict in (BROKEN, NOT_YET)
    ]


def _verdicts_of(run_dir: Path) -> dict[str, Verdict]:
    """By task; {} without an exam."""
    if not RunFolder(run_dir).results_path.is_file():
        return {}
    return {verdict.task: verdict for verdict in read_verdicts(run_dir)}


def shown_p(p: float) -> str:
    """A p-value as people read it; none is ever 0."""
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def confusion_matrix(run_dir: Path, task: str, side: str = "tuned") -> pd.DataFrame:
    """Counts [right label x given answer] of a task with labels; answers that are no label stand under OTHER.

    The labels are those that occur as right answers, most frequent first, at most MOST_LABELS, and behind them the
    task's other labels that were given (the exam may lack one that the task has); two that the exam takes for the
    same are one, named as it is written most often.
    """
    answers = read_answers(run_dir, task)
    targets = answers["target"].map(lambda text: plain(str(text)))
    given = answers[side].fillna("").map(lambda text: plain(str(text)))
    labels = list(targets.value_counts().index[:MOST_LABELS])
    unasked = {plain(label): label for label in _task_labels(run_dir, task) if plain(label) not in set(targets)}
    labels += [label for label in unasked if (given == label).any()]
    known = [*labels, OTHER]
    rows = targets.where(targets.isin(labels), OTHER)
    columns = given.where(given.isin(labels), OTHER)
    table = pd.crosstab(rows, columns).reindex(index=known, columns=known, fill_value=0)
    written = answers["target"].astype(str).groupby(targets).agg(lambda texts: texts.value_counts().index[0])
    names = {**unasked, **written}
    table = table.rename(index=names, columns=names)
    return table.loc[(table.sum(axis=1) > 0)]


def _task_labels(run_dir: Path, task: str, kinds: Sequence[str] = LABELLED) -> tuple[str, ...]:
    """The labels that the task's description names; () for a run whose tasks were not kept, and for other kinds."""
    try:
        tasks = RunFolder(run_dir).read_tasks()
    except WorkspaceError:
        return ()
    return next((spec.labels for spec in tasks if spec.name == task and spec.kind in kinds), ())


def worst_labels(run_dir: Path, task: str, side: str = "tuned") -> pd.DataFrame:
    """Labels from the lowest recall up: n, right, recall, and the answer most often given instead."""
    table = confusion_matrix(run_dir, task, side)
    rows = []
    for label in table.index:
        count, right = int(table.loc[label].sum()), int(table.loc[label, label]) if label != OTHER else 0
        wrong = table.loc[label].drop(labels=[label] if label != OTHER else [])
        instead = str(wrong.idxmax()) if len(wrong) and wrong.max() > 0 else ""
        rows.append({"label": label, "n": count, "right": right, "recall": right / count, "instead": instead})
    return pd.DataFrame(rows).sort_values(["recall", "n"], ascending=[True, False], ignore_index=True)


def describe_coverage(run_dir: Path, task: str) -> list[Sentence]:
    """That the exam asks for some of a task's labels only, where it does. Nothing where an answer has several."""
    labels = _task_labels(run_dir, task, ("classification",))
    asked = {plain(str(target)) for target in read_answers(run_dir, task)["target"]}
    unasked = [label for label in labels if plain(label) not in asked]
    if not unasked:
        return []
    values = {
        "asked": len(labels) - len(unasked),
        "total": len(labels),
        "labels": ", ".join(unasked[:NAMED_LABELS]),
    }
    return [Sentence("says.labels_unasked", values)]


def describe_labels(worst: pd.DataFrame, coverage: Sequence[Sentence] = (), count: int = 3) -> list[Sentence]:
    """The labels that go wrong most, in words, behind what `describe_coverage` says."""
    bad = worst[worst["recall"] < 1].head(count)
    sentences = list(coverage) if len(bad) or coverage else [Sentence("says.labels_fine")]
    for row in bad.to_dict("records"):
        values = {"label": row["label"], "n": row["n"], "right": row["right"]}
        key = "says.worst_label" if row["instead"] else "says.worst_label_alone"
        sentences.append(Sentence(key, values | ({"instead": row["instead"]} if row["instead"] else {})))
    return sentences


def _common_rows(first: Path, second: Path, task: str) -> pd.DataFrame | None:
    """Rows that both answered; None when one has not been examined on this task."""
    try:
        left, right = read_answers(first, task), read_answers(second, task)
    except RunError as error:
        if error.key == "insight.no_predictions":
            return None
        raise
    joined = left.merge(right, on=["row", "target"], suffixes=("_first", "_second"))
    if joined.empty:
        raise RunError("insight.other_rows", task=task)
    return joined


def _compare(task: str, metric: str, rows: pd.DataFrame) -> Comparison:
    texts = {name: [str(t) for t in rows[name].fillna("")] for name in ("target", "tuned_first", "tuned_second")}
    difference = compare(metric, texts["tuned_first"], texts["tuned_second"], texts["target"])
    if metric not in RIGHT_OR_WRONG:
        return Comparison(task, metric, difference, difference.p, difference.p)
    right = [rows[f"tuned_score_{side}"] >= RIGHT for side in ("first", "second")]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    return Comparison(task, metric, difference, difference.p, difference.p, only_first, only_second)


def _metric(run_dir: Path, task: str) -> str:
    return next(str(r["metric"]) for r in read_task_records(run_dir) if r["name"] == task)

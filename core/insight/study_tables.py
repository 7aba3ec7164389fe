"""The outcome of a study as tables: means with intervals over seeds, ranks, parameters, time, a Markdown report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.adapters.capacity import capacity
from core.base.documents import render
from core.base.errors import RunError, SettingError
from core.base.files import read_json
from core.evaluation.intervals import MANY, is_clear, mean_interval
from core.insight.results import read_scores
from core.insight.study import Cell, Study
from core.runs.events import read_events
from core.runs.folder import RunFolder
from core.workspace import Project

BASE = "base model"
SUMMARY_HEAD = [
    "arm",
    "share of rows",
    "seeds",
    "mean",
    "rank",
    "check loss",
    "active rank",
    "parameters",
    "seconds",
]
SUMMARY_HEAD += ["processor s"]
GAPS_HEAD = ["arm", "share of rows", "pairs", "score", "check loss"]


def study_frame(project: Project, study: Study) -> pd.DataFrame:
    """One row a task of every finished run: domain (the project's name), arm, seed, share, task, metric, exam rows,
    score (0..1), check loss (nats a token on the check set, of the kept adapter), active rank, parameters, seconds
    by the clock and of the processor (which other work on the machine disturbs least).
    Frames of several domains may be put below one another.

    Raises:
        RunError: no run of the study has been examined.
    """
    rows = []
    for cell in study.cells:
        folder = RunFolder(project.runs_dir / cell.run_id)
        if cell.run_id and folder.read_done() is not None and folder.read_results() is not None:
            rows += _run_rows(project, cell, folder)
    if not rows:
        raise RunError("insight.no_results", run=study.name)
    return pd.DataFrame(rows)


def _run_rows(project: Project, cell: Cell, folder: RunFolder) -> list[dict[str, Any]]:
    """A run's tasks, and the untouched base model's, which has neither losses nor a size."""
    losses = _check_losses(folder)
    size = {
        "active_rank": _active_rank(folder),
        "parameters": _parameters(folder),
        "seconds": _seconds(folder),
        "processor_s": _processor_seconds(folder),
    }
    nothing = {"check_loss": np.nan, **dict.fromkeys(size, np.nan), "parameters": 0}
    rows = []
    for s in read_scores(folder.path):
        place = {"domain": project.name, "seed": cell.seed, "share": cell.share, "task": s.task, "metric": s.metric}
        place["rows"] = s.tuned.n
        loss = losses.get(s.index, np.nan)
        rows.append({"arm": cell.arm, **place, "score": s.tuned.value, "check_loss": loss, **size})
        if s.base is not None:
            rows.append({"arm": BASE, **place, "score": s.base.value, **nothing})
    return rows


def summarise_study(frame: pd.DataFrame) -> pd.DataFrame:
    """One row an arm and share, best arm first: mean over tasks (over domains after that, so that each counts the
    same), averaged over seeds, with its 95 % t-interval over seeds; mean rank among the arms (1 is best) over tasks
    and seeds; active rank; the adapter's parameters and seconds of a run, the mean over domains."""
    ranked = frame[frame["arm"] != BASE].copy()
    ranked["rank"] = ranked.groupby(["domain", "share", "seed", "task"])["score"].rank(ascending=False)
    ranks = ranked.groupby(["arm", "share"])["rank"].mean()
    rows = []
    for (arm, share), part in frame.groupby(["arm", "share"]):
        runs = part.groupby(["seed", "domain"])["score"].mean().groupby("seed").mean()
        low, high = mean_interval(runs.to_numpy(), _exam_rows(part))
        rows.append(
            {
                "arm": arm,
                "share": share,
                "seeds": len(runs),
                "mean": runs.mean(),
                "low": low,
                "high": high,
                "rank": ranks.get((arm, share), np.nan),
                "check_loss": part.groupby("domain")["check_loss"].mean().mean(),
                "active_rank": part["active_rank"].max(),
                "parameters": int(part.groupby("domain")["parameters"].max().mean()),
                "seconds": part.groupby(["seed", "domain"])["seconds"].max().mean(),
                "processor_s": part.groupby(["seed", "domain"])["processor_s"].max().mean(),
            }
        )
    return pd.DataFrame(rows).sort_values(["share", "mean"], ascending=[True, False], ignore_index=True)


def task_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds, [arm and share] x task."""
    return frame.pivot_table(index=["arm", "share"], columns="task", values="score", aggfunc="mean")


def against_reference(frame: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Reference minus every other arm, paired by seed and domain: the mean over tasks of the score and of the check
    loss (negative: the reference's is lower), each with its 95 % t-interval over pairs, and whether the difference
    in score is sure (`evaluation.intervals`)."""
    runs = frame.groupby(["share", "domain", "seed", "arm"])[["score", "check_loss"]].mean().unstack()
    rows = []
    for share, part in runs.groupby(level="share"):
        for arm in part["score"].columns:
            gaps = (part["score"][reference] - part["score"][arm]).dropna().to_numpy()
            if arm in (reference, BASE) or not len(gaps):
                continue
            rows_asked = _exam_rows(frame[(frame["share"] == share) & (frame["arm"] == arm)])
            low, high = mean_interval(gaps, rows_asked)
            losses = (part["check_loss"][reference] - part["check_loss"][arm]).dropna().to_numpy()
            loss_low, loss_high = mean_interval(losses, MANY)
            rows.append(
                {
                    "share": share,
                    "arm": arm,
                    "pairs": len(gaps),
                    "difference": gaps.mean(),
                    "low": low,
                    "high": high,
                    "sure": is_clear(low, high, rows_asked),
                    "loss": losses.mean() if len(losses) else np.nan,
                    "loss_low": loss_low,
                    "loss_high": loss_high,
                }
            )
    return pd.DataFrame(rows)


def _exam_rows(part: pd.DataFrame) -> int:
    """Exam rows behind one mean over the tasks of `part`, whose rows are of several seeds."""
    return int(part.groupby(["domain", "task"])["rows"].max().sum())


def study_report(study: Study, frame: pd.DataFrame) -> str:
    """The study as Markdown: summary, differences to the reference, scores by task. Says also where it loses."""
    reference = study.arms[0].label
    summary, gaps, tasks = summarise_study(frame), against_reference(frame, reference), task_scores(frame)
    rows = [
        [arm, f"{share:g}", *(_number(100 * v, 1) for v in tasks.loc[(arm, share)])] for arm, share in tasks.index
    ]
    return render(
        "study.md",
        name=study.name,
        reference=reference,
        plan=_plan(study, frame),
        means=_markdown(SUMMARY_HEAD, [_summary_row(r) for r in summary.itertuples()]),
        gaps=_markdown(GAPS_HEAD, [_gap_row(r) for r in gaps.itertuples()]) if len(gaps) else "",
        scores=_markdown(["arm", "share of rows", *map(str, tasks.columns)], rows),
    )


def _summary_row(row: Any) -> list[object]:
    return [
        row.arm,
        f"{row.share:g}",
        row.seeds,
        _points(row.mean, row.low, row.high),
        _number(row.rank, 2),
        _number(row.check_loss, 3),
        _number(row.active_rank, 0),
        f"{row.parameters:,}",
        _number(row.seconds, 0),
        _number(row.processor_s, 0),
    ]


def _gap_row(row: Any) -> list[object]:
    score, loss = (_points(row.difference, row.low, row.high), _nats(row.loss, row.loss_low, row.loss_high))
    return [row.arm, f"{row.share:g}", row.pairs, score, loss]


def _plan(study: Study, frame: pd.DataFrame) -> str:
    metrics = frame.drop_duplicates("task").set_index("task")["metric"]
    listed = ", ".join(f"{task} ({metric})" for task, metric in metrics.items())
    base = Path(study.config.base_model).name
    return (
        f"Base model {base}; seeds {', '.join(map(str, study.seeds))}; fairness: equal {study.fairness}. "
        f"Tasks: {listed}. Every arm has the same data, batches and steps."
    )


def _parameters(folder: RunFolder) -> int:
    return int(read_json(folder.record_path)["parameters"]["adapter"]) if folder.record_path.exists() else 0


def _active_rank(folder: RunFolder) -> float:
    """Columns of low rank that one example is computed with; NaN for methods whose size is no rank."""
    try:
        return capacity(folder.read_config().adapter, len(folder.read_run()["tasks"])).active
    except SettingError:
        return float("nan")


def _check_losses(folder: RunFolder) -> dict[int, float]:
    """Loss of each task on the check set at the check whose adapter was kept."""
    checks = [e for e in read_events(folder.events_path) if e["kind"] == "validation" and e.get("best")]
    return {int(index): loss for index, loss in checks[-1]["by_task"].items()} if checks else {}


def _seconds(folder: RunFolder) -> float:
    status = folder.read_status()
    return status.ended - status.started if status.ended and status.started else float("nan")


def _processor_seconds(folder: RunFolder) -> float:
    """NaN for an interrupted run, whose process saw a part only."""
    record = read_json(folder.record_path) if folder.record_path.exists() else {}
    return float(record.get("actual", {}).get("processor_s", float("nan")))


def _points(value: float, low: float, high: float) -> str:
    return f"{100 * value:.1f}" if low != low else f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _nats(value: float, low: float, high: float) -> str:
    if value != value:
        return "-"
    return f"{value:+.3f}" if low != low else f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def _number(value: float, digits: int) -> str:
    return "-" if value != value else f"{value:.{digits}f}"


def _markdown(head: list[str], rows: list[list[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |" for row in rows)])

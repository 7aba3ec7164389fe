"""The outcome of adding a task, as a table and in words. Torch-free; `core.asking.new_task` makes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.evaluation.intervals import FEW, mean_interval
from core.messages import Sentence

LITTLE = 0.02  # a gain below two points is not worth more rows


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
    """From where to where, how sure, and from how many rows on more bring little."""
    frame = growth_frame(found)
    last = frame.iloc[-1]
    values = {"task": found.task, "nearest": found.nearest[0][0], "metric": found.metric, "rows": int(last["rows"])}
    points = {"start": f"{100 * found.untrained:.1f}", "end": f"{100 * last['mean']:.1f}"}
    told = [Sentence("says.new_task", {**values, **points})]
    if last["low"] == last["low"]:
        band = {"low": f"{100 * last['low']:.1f}", "high": f"{100 * last['high']:.1f}"}
        counts = {"rows": int(last["rows"]), "draws": int(last["draws"])}
        told.append(Sentence("says.new_task_band", counts | band))
    if found.questions < FEW:
        return told  # too few questions to say that more rows bring nothing
    enough = frame[(frame["rows"] > 0) & (frame["mean"] >= last["mean"] - LITTLE)].iloc[0]
    if int(enough["rows"]) < int(last["rows"]):
        told.append(Sentence("says.new_task_enough", {"rows": int(enough["rows"]), "points": round(100 * LITTLE)}))
    return told

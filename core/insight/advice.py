"""Which simpler method would do, from what was measured; only where the intervals hold it. Torch-free.

That something was not found is no reason: a method is proposed only where the upper end of every task's interval is
small, so that what is given up is known. The largest of T upper ends bounds the losses of all T tasks at once, and
needs no correction for T: it is below the largest true loss only where that one task's own upper end is, which has
a chance of 2.5 % (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

import math

import pandas as pd

from core.adapters.skill import COMMON, PRIVATE
from core.insight.evidence import FEWEST_ROWS, Evidence
from core.messages import Sentence

LITTLE = 0.05  # nats per answer token: what may at most be lost for a simpler method to be proposed


def describe_advice(found: Evidence) -> list[Sentence]:
    """Private adapters where nothing is lost without the common skills, one for all where nothing is lost without
    the tasks' own; else how much of the gain is carried by what is shared."""
    if float(found.rows.min()) < FEWEST_ROWS or len(found.tasks) < 2:
        return []
    common, private = (_most_lost(found, kind) for kind in (COMMON, PRIVATE))
    if common is not None and common < LITTLE and private is not None and private >= LITTLE:
        return [Sentence("advice.private", _bound(found, common))]
    if private is not None and private < LITTLE and common is not None and common >= LITTLE:
        return [Sentence("advice.shared", _bound(found, private))]
    return _carried(found)


def _most_lost(found: Evidence, kind: str) -> float | None:
    """The largest upper end over the tasks; None where a task has no interval."""
    high = found.kinds.high[kind]
    return None if high.isna().any() else max(0.0, float(high.max()))


def _bound(found: Evidence, change: float) -> dict[str, object]:
    """An upper bound is rounded up: 'not more than 4 %' is wrong of 4.4 %."""
    lost = math.ceil(100 * (1 - math.exp(-change)) - 1e-9)
    return {"percent": str(lost), "count": len(found.tasks), "rows": int(found.rows.min())}


def _carried(found: Evidence) -> list[Sentence]:
    """The share of the gain that goes with the common skills, over the tasks that surely need them; nothing where
    they are all there is."""
    if not found.kinds.value[PRIVATE].notna().any():
        return []
    needs = found.common_share[found.needed(found.kinds)[COMMON]].dropna()
    if needs.empty or math.isnan(needs.mean()):
        return []
    values = {"percent": f"{100 * _middle(needs):.0f}", "count": len(needs), "total": len(found.tasks)}
    return [Sentence("advice.keep", values)]


def _middle(values: pd.Series) -> float:
    return float(values.median())

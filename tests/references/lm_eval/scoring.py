"""What the harness calls in `written.yaml`: the exam's metrics over answers that came through the endpoint.

Runs in the harness's own environment, with this repository and nothing of torch on its path.
"""

from __future__ import annotations

from typing import Any

from core.evaluation.metrics import METRICS, score


def written(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """One answer, as the exam would have kept it."""
    return {"exam": (doc["metric"], results[0].strip(), doc["target"])}


def total(found: list[tuple[str, str, str]]) -> float:
    """The metric of all answers together."""
    metric = METRICS.get(found[0][0]).name
    return score(metric, [answer for _, answer, _ in found], [target for _, _, target in found]).value

"""What adapter methods gave in one short trial, beside C-Poly and a LoRA of equal size. Torch-free."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from core.messages import Sentence

TRIAL_PATH = Path(__file__).resolve().parents[2] / "assets" / "docs" / "advice.json"
GAP = ("gap", "low", "high")


@cache
def read_method_figures(path: Path = TRIAL_PATH) -> dict[str, dict[str, Any]]:
    """By method, as `tests/benchmarks/advice.py` wrote them; empty while nothing was measured.

    Of each runs, projects and steps; score, reference, plain (mean exam scores 0..1 of the same runs of the method,
    of C-Poly and of the LoRA); reference_gap, _low, _high and plain_gap, _low, _high (what the method has above
    each, with its 95 % interval over the runs).
    """
    try:
        found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["methods"]
        return {name: dict(figures) for name, figures in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def describe_figures(method: str, path: Path = TRIAL_PATH) -> list[Sentence]:
    """What the trial showed of a method; nothing where it was not in it."""
    figures = read_method_figures(path).get(method)
    if figures is None:
        return []
    scores = {name: f"{100 * figures[name]:.1f}" for name in ("score", "reference", "plain")}
    gaps = {
        f"{name}_{part}": f"{100 * figures[f'{name}_{part}']:+.1f}"
        for name in ("reference", "plain")
        for part in GAP
    }
    return [
        Sentence(
            "method.trial", {**scores, **gaps, **{name: figures[name] for name in ("runs", "projects", "steps")}}
        )
    ]

"""How fast this machine is: what the formulas expected of earlier runs against what those took, and its load now.

Kept in the workspace as processor seconds, which other work on the machine hardly changes; the clock follows from
them and from the load when a run is planned.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core.base.errors import WorkspaceError
from core.base.files import read_json, write_json_atomic

PARTS = ("prepare", "training", "rest")
KEPT = 60  # runs that are remembered
FORMULA = 3  # what was expected by an earlier formula says nothing of what is expected now
NEAREST = 8  # of them count for a plan
TRUST = 0.5  # the formula counts as much as half a run
LOAD_POWER = 0.75  # measured at loads of 13 to 17 on two cores: not all that waits wants a whole core
UNSURE, SURE = 2.0, 1.4  # factors around the likely time: nothing known of this machine; many runs like this one


@dataclass(frozen=True)
class Correction:
    """What to multiply the formula's seconds of each part with, and the factor within which the sum is right."""

    factors: dict[str, float]
    unsure: float


def remember_speed(
    workspace: Path, kind: dict[str, Any], parts: dict[str, tuple[float, float]], by: int | None = FORMULA
) -> None:
    """Notes of a finished run: `parts` as (processor seconds by formula, processor seconds it took). `kind` tells
    runs apart that may differ: base model, method, device, threads. Nothing where another formula than today's,
    with the number `by`, expected them (None: it was not noted)."""
    if by != FORMULA:
        return
    known = _read(workspace)
    kept = {name: [round(value, 3) for value in pair] for name, pair in parts.items() if min(pair) > 0}
    new = {"kind": kind, "parts": kept, "formula": FORMULA}
    write_json_atomic(_path(workspace), [*known, new][-KEPT:])


def find_correction(workspace: Path, kind: dict[str, Any]) -> Correction:
    """From the runs most like this one, the newest first."""
    runs = list(enumerate(_read(workspace)))
    runs = [run for run in runs if run[1]["kind"].get("device") == kind.get("device")]
    runs.sort(key=lambda run: (_likeness(run[1]["kind"], kind), run[0]), reverse=True)
    near = [run for _, run in runs[:NEAREST]]
    alike = [run for run in near if run["kind"].get("base_model") == kind.get("base_model")]
    chosen = alike or near
    logs = {name: [_log_ratio(run["parts"][name]) for run in chosen if name in run["parts"]] for name in PARTS}
    known = PARTS if alike else ("prepare",)  # what another model took says nothing of this one's steps
    factors = {name: math.exp(sum(logs[name]) / (len(logs[name]) + TRUST)) for name in known if logs[name]}
    return Correction(factors, _spread(logs["training"], bool(alike)))


def _log_ratio(pair: tuple[float, float]) -> float:
    """Of a part's processor seconds: those it took to those by formula."""
    return math.log(pair[1] / pair[0])


def load_factor(threads: int) -> float:
    """How many times longer than on a quiet machine so many threads take beside what runs now (1 or more)."""
    cores, load = psutil.cpu_count() or 1, psutil.getloadavg()[0]
    return max(1.0, (load + threads) / cores) ** LOAD_POWER


def _spread(logs: list[float], is_alike: bool) -> float:
    """From UNSURE without a run to SURE with many alike that agree."""
    if not logs or not is_alike:
        return UNSURE
    seen = statistics.pstdev(logs) if len(logs) > 1 else math.log(UNSURE)
    return max(SURE, min(UNSURE, SURE * math.exp(seen / math.sqrt(len(logs)))))


def _likeness(one: dict[str, Any], other: dict[str, Any]) -> int:
    return sum(one.get(name) == other.get(name) for name in ("base_model", "method", "products", "threads"))


def _path(workspace: Path) -> Path:
    return workspace / "speeds.json"


def _read(workspace: Path) -> list[dict[str, Any]]:
    try:
        return [run for run in read_json(_path(workspace)) if run.get("formula") == FORMULA]
    except (OSError, WorkspaceError):  # none yet, or damaged: the next run begins anew
        return []

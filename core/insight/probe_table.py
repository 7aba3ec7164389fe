"""Outcomes of causal questions as tables and sentences. Torch-free; made by `probe_model.py` and `leaving_out.py`.

knockout: a skill is switched off. transfer: task j is answered with the row of task i. leaveout: the run is trained
again without task i, and once more with all tasks and another seed, which shows how far chance alone moves a score.

<run>/probes/<kind>.json: {kind, tasks, metrics, scores [T], columns, cells [T][columns]}; a cell is a paired
difference {value, low, high, p, n} in 0..1, or None where nothing can change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.base.errors import RunError, SettingError, require_between
from core.base.files import read_json
from core.evaluation.intervals import Difference
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.runs.skill_names import read_names

KNOCK_OUT, TRANSFER, LEAVE_OUT = "knockout", "transfer", "leaveout"
KINDS = (KNOCK_OUT, TRANSFER, LEAVE_OUT)
CHANCE = "(another seed)"  # the column of leaveout that leaves nothing out
MAX_ROWS = 10_000


@dataclass(frozen=True)
class ProbeSettings:
    """rows: questions a task, drawn from the exam with this seed; more rows give narrower intervals."""

    rows: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        require_between("rows", self.rows, 1, MAX_ROWS)


@dataclass(frozen=True)
class Probe:
    """One outcome: changes, their intervals, and whether each is sure by itself (`evaluation.intervals`); [tasks x
    columns]."""

    kind: str
    scores: pd.Series
    change: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    sure_alone: pd.DataFrame

    @property
    def is_sure(self) -> pd.DataFrame:
        """`sure_alone`; after training again also whether the change is larger than the largest one that another
        seed alone brought to any task."""
        if CHANCE not in self.change.columns:
            return self.sure_alone
        noise = float(self.change[CHANCE].abs().max())
        return self.sure_alone & (self.change.abs() > noise)


def probe_path(run_dir: Path, kind: str) -> Path:
    if kind not in KINDS:
        raise SettingError("registry.unknown", kind="probe", name=kind, known=", ".join(KINDS))
    return RunFolder(run_dir).probe_path(kind)


def read_probe(run_dir: Path, kind: str) -> Probe:
    """The outcome of a probe of a run.

    Raises:
        RunError: it has not been made yet.
    """
    path = probe_path(run_dir, kind)
    if not path.is_file():
        raise RunError("insight.no_probe", run=run_dir.name, kind=kind)
    outcome, names = read_json(path), read_names(run_dir) if kind == KNOCK_OUT else {}
    return probe_from_dict({**outcome, "columns": [names.get(name, name) for name in outcome["columns"]]})


def probe_from_dict(outcome: dict[str, Any]) -> Probe:
    tables = {
        name: pd.DataFrame(
            [[np.nan if cell is None else cell[name] for cell in row] for row in outcome["cells"]],
            index=outcome["tasks"],
            columns=outcome["columns"],
        )
        for name in ("value", "low", "high")
    }
    sure = pd.DataFrame(
        [[cell is not None and Difference(**cell).is_sure for cell in row] for row in outcome["cells"]],
        index=outcome["tasks"],
        columns=outcome["columns"],
        dtype=bool,
    )
    scores = pd.Series([s["value"] for s in outcome["scores"]], index=outcome["tasks"])
    return Probe(outcome["kind"], scores, tables["value"], tables["low"], tables["high"], sure)


def describe_probe(probe: Probe) -> list[Sentence]:
    """Only what the intervals allow to say."""
    spread = _chance(probe)
    sure = probe.change.where(probe.is_sure)
    if not probe.is_sure.to_numpy().any():
        return [*spread, Sentence("says.nothing_sure")]
    sentences: list[Sentence] = []
    for task in sure.index:
        others = [] if probe.kind == KNOCK_OUT else [task, CHANCE]
        row = sure.loc[task].drop(labels=others, errors="ignore").dropna()
        if row.empty:
            continue
        worst, best = str(row.idxmin()), str(row.idxmax())
        if probe.kind == KNOCK_OUT:
            if row.min() < 0:
                sentences.append(_sentence("says.needs_skill", task, worst, row.min()))
            if row.max() > 0:
                sentences.append(_sentence("says.better_without", task, best, row.max()))
        elif probe.kind == LEAVE_OUT:
            if row.min() < 0:
                sentences.append(_sentence("says.taught_by", task, worst, row.min()))
            if row.max() > 0:
                sentences.append(_sentence("says.disturbed_by", task, best, row.max()))
        elif row.max() > 0:
            sentences.append(_sentence("says.learns_from", task, best, row.max()))
        elif row.min() < 0:
            sentences.append(_sentence("says.needs_own_row", task, worst, row.min()))
    silent = "says.only_itself" if probe.kind == LEAVE_OUT else "says.nothing_sure"
    return spread + (sentences or [Sentence(silent)])


def _chance(probe: Probe) -> list[Sentence]:
    if CHANCE not in probe.change.columns:
        return []
    return [Sentence("says.chance_moves", {"points": f"{100 * probe.change[CHANCE].abs().max():.1f}"})]


def _sentence(key: str, task: str, other: str, change: float) -> Sentence:
    return Sentence(key, {"task": task, "other": other, "points": f"{abs(100 * change):.1f}"})

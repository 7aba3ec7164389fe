"""What a run's skills do, as measured after training: tables (`evidence_words` says what they allow).

Reads <run>/evidence.json (`core.training.evidence` makes it). Torch-free. Sentences and plots come from the same
table, so that they cannot contradict each other; what an interval does not hold is not said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from core.adapters.skill import COMMON, PRIVATE
from core.base.files import read_json
from core.insight.pull import Pull, pull_from_record
from core.runs.folder import RunFolder
from core.runs.skill_names import read_names

NOTICEABLE = 0.01  # nats per answer token, one percent; below this even a sure change is of no use to a reader
TELLING, SMALL = 0.02, 0.05  # below 2 %, or this share of what training gained, an effect is small and no need
SURE_WRONG = 0.05  # share of what is told that may be chance
FEWEST_ROWS = 4  # below this no interval is worth a sentence


@dataclass(frozen=True)
class Change:
    """Changes of the loss with their 95 % intervals, [tasks x columns] in nats per answer token.

    Above 0 the task is worse off. NaN where nothing can change or there is no interval. rows: check rows of each
    task, from which the t intervals are."""

    value: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame
    rows: pd.Series

    @cached_property
    def worse(self) -> pd.DataFrame:
        """Where the task surely needs what was taken away."""
        return self._is_sure & (self.value > NOTICEABLE)

    @cached_property
    def better(self) -> pd.DataFrame:
        """Where the task surely does better without it."""
        return self._is_sure & (self.value < -NOTICEABLE)

    @cached_property
    def _is_sure(self) -> pd.DataFrame:
        """Cells that are more than chance although all cells of the table were looked at: of 56 pairs of tasks that
        lose nothing, 3 have an interval of 95 % without zero. Benjamini and Hochberg 1995: of those that are told
        at most SURE_WRONG are expected to be chance. Every one has an interval without zero as well."""
        freedom = np.maximum(self.rows.reindex(self.value.index).to_numpy(dtype=float) - 1, 1)[:, None]
        value, half = self.value.to_numpy(dtype=float), (self.high - self.low).to_numpy(dtype=float) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = 2 * stats.t.sf(np.abs(value / half) * stats.t.ppf(0.975, freedom), freedom)
        sure, known = np.zeros(value.shape, dtype=bool), np.isfinite(chance)
        if known.any():
            sure[known] = stats.false_discovery_control(chance[known]) <= SURE_WRONG
        return pd.DataFrame(sure, index=self.value.index, columns=self.value.columns)


@dataclass(frozen=True)
class Evidence:
    """skills: each skill switched off; kinds: all common and all private ones (columns `common`, `private`);
    borrowed: the task of the row answered with the row of the column's task. own and base: losses of the trained
    and of the untouched model. places: the check rows that were asked; row_changes: {skills, kinds, borrowed}, each
    row's own change; both empty for runs made before rows were kept. pull: who pulls the common skills alike;
    asked_pull: whether that was tried, with or without an outcome."""

    tasks: tuple[str, ...]
    rows: pd.Series
    own: pd.Series
    base: pd.Series
    skills: Change
    kinds: Change
    borrowed: Change
    places: dict[str, list[int]] = field(default_factory=dict)
    row_changes: dict[str, pd.DataFrame] = field(default_factory=dict)
    pull: Pull | None = None
    asked_pull: bool = False

    @cached_property
    def common_share(self) -> pd.Series:
        """The share of a task's gain over the untouched model that is lost without common skills, 0 to 1; NaN where
        there is no gain or there are no common skills."""
        gain = self.base - self.own
        return (self.kinds.value[COMMON] / gain.where(gain > NOTICEABLE)).clip(0, 1)

    def needed(self, change: Change) -> pd.DataFrame:
        """Where a task surely needs what was taken away, and by more than little: of what may be named."""
        return change.worse.mul(~self.few, axis=0) & change.value.ge(self.least, axis=0)

    @property
    def few(self) -> pd.Series:
        """By task: too few check rows to say anything."""
        return self.rows < FEWEST_ROWS

    @cached_property
    def least(self) -> pd.Series:
        """By task, in nats per answer token: a change below this is small."""
        return (SMALL * (self.base - self.own)).fillna(0.0).clip(lower=TELLING)

    @property
    def common_skills(self) -> list[str]:
        return [name for name in self.skills.value.columns if self.skills.value[name].notna().sum() > 1]


def read_evidence(run_dir: Path, named: bool = True) -> Evidence | None:
    """What was measured for a run; None for runs made before this was measured, or without check rows. Skills have
    the names that a person gave or that were drafted, without `named` the method's own."""
    path = RunFolder(run_dir).evidence_path
    if not path.is_file():
        return None
    found, names = _read(str(path), path.stat().st_mtime_ns), read_names(run_dir) if named else {}
    return _with_names(found, names) if names else found


def _with_names(found: Evidence, names: dict[str, str]) -> Evidence:
    value, low, high = (t.rename(columns=names) for t in (found.skills.value, found.skills.low, found.skills.high))
    skills = Change(value, low, high, found.rows)
    rows = dict(found.row_changes)
    if "skills" in rows:
        rows["skills"] = rows["skills"].rename(columns=names)
    return replace(found, skills=skills, row_changes=rows)


@lru_cache(maxsize=8)
def _read(path: str, _: int) -> Evidence:
    return evidence_from_record(read_json(Path(path)))


def evidence_from_record(record: dict[str, Any]) -> Evidence:
    tasks = list(record["tasks"])
    both = [list(pair) for pair in zip(record["without_common"], record["without_private"], strict=True)]

    def series(name: str) -> pd.Series:
        return pd.Series([math.nan if v is None else v for v in record[name]], index=tasks, dtype=float)

    counts = series("rows")
    return Evidence(
        tuple(tasks),
        counts,
        series("own"),
        series("base"),
        _change(record["cells"], counts, record["skills"]),
        _change(both, counts, [COMMON, PRIVATE]),
        _change(record["borrowed"], counts, tasks),
        dict(zip(tasks, record.get("places", []), strict=False)),
        _rows_of(record, tasks),
        pull_from_record(record),
        "pull" in record,
    )


def _rows_of(record: dict[str, Any], tasks: list[str]) -> dict[str, pd.DataFrame]:
    """Tables whose cells are lists of each row's change, or None."""
    kept = record.get("row_changes")
    if not kept:
        return {}
    both = [list(pair) for pair in zip(kept["without_common"], kept["without_private"], strict=True)]
    tables = {
        "skills": (kept["cells"], record["skills"]),
        "kinds": (both, [COMMON, PRIVATE]),
        "borrowed": (kept["borrowed"], tasks),
    }
    return {name: _lists(cells, tasks, columns) for name, (cells, columns) in tables.items()}


def _lists(cells: list[list[Any]], tasks: list[str], columns: list[str]) -> pd.DataFrame:
    values = np.empty((len(tasks), len(columns)), dtype=object)
    for place, row in zip(range(len(tasks)), cells, strict=True):
        for column, cell in zip(range(len(columns)), row, strict=True):
            values[place, column] = cell
    return pd.DataFrame(values, index=tasks, columns=columns)


def _change(cells: list[list[dict[str, float] | None]], rows: pd.Series, columns: list[str]) -> Change:
    tables = {
        name: pd.DataFrame(
            [[math.nan if cell is None else cell.get(name, math.nan) for cell in row] for row in cells],
            index=rows.index,
            columns=columns,
            dtype=float,
        )
        for name in ("value", "low", "high")
    }
    return Change(**tables, rows=rows)


def borrowed_similarity(found: Evidence) -> pd.DataFrame:
    """How alike two tasks are in what they learned, 0 to 1; NaN for pairs that were not tried.

    What is left of a right answer's likelihood per token when each answers with the other's row (the mean of both
    ways, or the one that was tried); 1 = nothing is lost."""
    lost = found.borrowed.value.clip(lower=0).to_numpy(dtype=float).copy()
    np.fill_diagonal(lost, 0.0)
    both = np.where(np.isnan(lost), lost.T, np.where(np.isnan(lost.T), lost, (lost + lost.T) / 2))
    return pd.DataFrame(np.exp(-both), index=list(found.tasks), columns=list(found.tasks))


def skill_effects(found: Evidence) -> pd.DataFrame:
    """What each task's right answers lose without each common skill, without all of them (`common`), and without
    its own skills (`private`): percent of their likelihood per token, below 0 is a loss. [tasks x columns] NaN for
    a task with too few check rows: its numbers would be the largest of the picture, by chance."""
    table = found.skills.value[found.common_skills].join(found.kinds.value)
    return (100 * (np.exp(-table) - 1)).mask(found.few, axis=0)


def percent(change: float) -> str:
    """A change of the loss as what becomes of a right answer's likelihood, in percent per token: +0.3 -> '26' less,
    -0.3 -> '35' more."""
    return f"{100 * abs(math.expm1(-change)):.0f}"

"""The exam of a task asked in each of its wordings: scores, and how far they lie apart. Torch-free;
`core.asking.wording_answers` asks.

<run>/probes/wordings.json: a `TaskWordings` of every task that was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.base.records import read_record
from core.evaluation.intervals import Difference, Score, is_sure
from core.messages import Sentence
from core.runs.folder import RunFolder
from core.tasks.spec import TaskSpec

KIND = "wordings"
ROWS = 200  # exam rows a task; each is asked once in every wording


@dataclass(frozen=True)
class Wording:
    """`number` 1 is the usual one, which exam and chat use. `change`: this one minus the usual one on the same
    rows; `p_adjusted` is its p-value, corrected for all wordings of the task. `lacks`: a column that the wording
    names and the kept exam rows do not hold, so that it was not asked."""

    number: int
    template: str
    score: Score | None = None
    change: Difference | None = None
    p_adjusted: float = 1.0
    lacks: str = ""

    @property
    def is_sure(self) -> bool:
        return self.change is not None and is_sure(self.change, self.p_adjusted)


@dataclass(frozen=True)
class TaskWordings:
    """One task: asked on `rows` of its `all_rows` exam rows, in its wordings, the usual one first; scores 0..1."""

    task: str
    metric: str
    rows: int
    all_rows: int
    wordings: tuple[Wording, ...]

    @property
    def scores(self) -> list[float]:
        """Of the wordings that were asked."""
        return [wording.score.value for wording in self.wordings if wording.score is not None]


def wordings_of(spec: TaskSpec) -> tuple[str, ...]:
    """The templates of a task, each once, the usual one first."""
    return tuple(dict.fromkeys((spec.template, *spec.templates)))


def wordings_path(run_dir: Path) -> Path:
    return RunFolder(run_dir).probe_path(KIND)


def read_wordings(run_dir: Path) -> dict[str, TaskWordings]:
    """What was asked of a run so far, by task.

    Raises:
        WorkspaceError: the file is damaged.
    """
    path = wordings_path(run_dir)
    found = read_record(tuple[TaskWordings, ...], path) if path.is_file() else ()
    return {one.task: one for one in found}


def describe_wordings(specs: Sequence[TaskSpec], found: dict[str, TaskWordings]) -> list[Sentence]:
    """Of each task that was asked the spread and what is sure of it; then which tasks have one wording only."""
    said = [sentence for spec in specs if spec.name in found for sentence in _about(found[spec.name])]
    single = [spec.name for spec in specs if len(wordings_of(spec)) == 1]
    if single:
        said.append(Sentence("says.wordings_one", {"tasks": ", ".join(single), "count": len(single)}))
    return said


def _about(found: TaskWordings) -> list[Sentence]:
    if not found.rows:
        return [Sentence("says.wordings_no_rows", {"task": found.task})]
    lacking = [
        Sentence("says.wordings_lacks", {"task": found.task, "number": one.number, "column": one.lacks})
        for one in found.wordings
        if one.lacks
    ]
    asked = found.scores
    if len(asked) < 2:
        return lacking
    ends = {"low": _points(min(asked)), "high": _points(max(asked)), "usual": _points(asked[0])}
    counts = {"n": len(asked), "rows": found.rows, "all": found.all_rows}
    spread = Sentence("says.wordings_spread", {"task": found.task, **counts, **ends})
    return [spread, *(_sure(found) or [Sentence("says.wordings_unsure", {"task": found.task})]), *lacking]


def _sure(found: TaskWordings) -> list[Sentence]:
    said = []
    for one in found.wordings:
        if one.change is not None and one.is_sure:
            key = "says.wordings_below" if one.change.value < 0 else "says.wordings_above"
            values = {"task": found.task, "number": one.number, "points": _points(abs(one.change.value))}
            said.append(Sentence(key, values))
    return said


def _points(value: float) -> str:
    return f"{100 * value:.1f}"

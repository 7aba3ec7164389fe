"""The health report: what is wrong with the tasks before a run is spent on them.

Each finding is a message key with its values, the places concerned and the name of a fix
(core/tasks/changing/fixes.py) if one click can mend it. Everything is plain data: `HealthReport.as_dict()` is JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import english
from core.tasks.cell_text import input_text
from core.tasks.dataset import has_input, render_target, row_weight
from core.tasks.health.across import across_findings
from core.tasks.health.labels import label_findings, label_statistics
from core.tasks.health.near_duplicates import NearIndex, near_pairs, text_overlap
from core.tasks.health.texts import estimate_all, length_statistics, text_findings
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import get_task, list_tasks, read_rows, task_dir
from core.tasks.token_file import TokenFile
from core.workspace import Project

SHOWN_PLACES = 200
FEW_ROWS, SMALL_EXAM = 50, 30
PART_OVERLAP = 0.6  # of every input and of the answer, for two rows to be near-duplicates

Place = tuple[str, int]  # split, line in the file


@dataclass(frozen=True)
class Finding:
    """`key` is worded by the messages; `places` holds the first of `count` rows; `fix` is '' when there is none."""

    key: str
    severity: str  # error, warning, info
    count: int
    values: dict[str, Any] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    fix: str = ""

    def as_dict(self) -> dict[str, Any]:
        message, hint = english(self.key, {"count": self.count, **self.values})
        return {**asdict(self), "message": message, "hint": hint}


@dataclass
class TaskRows:
    """One task's usable rows side by side. `keys` are the inputs with blanks evened out."""

    spec: TaskSpec
    splits: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    parts: list[tuple[str, ...]] = field(default_factory=list)  # the single inputs, where there are several
    empty: list[Place] = field(default_factory=list)
    groups: list[list[int]] | None = None
    bad_weights: list[Place] = field(default_factory=list)
    count_tokens: Callable[[Sequence[str]], list[int]] = estimate_all

    def place(self, index: int) -> Place:
        return self.splits[index], self.lines[index]


@dataclass(frozen=True)
class TaskHealth:
    """One task's findings, worst first, and its statistics (sizes, labels with samples, lengths, languages)."""

    task_id: str
    name: str
    findings: tuple[Finding, ...]
    statistics: dict[str, Any]


@dataclass(frozen=True)
class HealthReport:
    tasks: tuple[TaskHealth, ...]
    across: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "tasks": [
                {
                    "task_id": t.task_id,
                    "name": t.name,
                    "findings": [f.as_dict() for f in t.findings],
                    "statistics": t.statistics,
                }
                for t in self.tasks
            ],
            "across": [f.as_dict() for f in self.across],
        }


def health_report(
    project: Project,
    names: Sequence[str] | None = None,
    max_tokens: int | None = None,
    token_file: Path | str | None = None,
) -> HealthReport:
    """Looks at all tasks of a project, or those named; `max_tokens` tells which rows a base model would cut.

    Args:
        token_file: folder with the base model's tokenizer.json; without it tokens are estimated.

    Raises:
        WorkspaceError: an unknown task, or damaged rows. ModelError: no such tokenizer.
    """
    specs = list_tasks(project) if names is None else [get_task(project, n) for n in names]
    count = TokenFile(Path(token_file)).count if token_file else estimate_all
    index = NearIndex()
    tasks, loaded = [], []
    for spec in specs:
        rows = load_rows(spec, read_all(project, spec))
        signatures = index.signatures(rows.texts)
        rows.count_tokens = count
        tasks.append(task_health(rows, signatures, max_tokens))
        loaded.append((rows, signatures))
    return HealthReport(tuple(tasks), tuple(Finding(**f) for f in across_findings(loaded)))


def read_all(project: Project, spec: TaskSpec) -> Iterable[tuple[str, int, dict[str, Any]]]:
    folder = task_dir(project, spec.task_id)
    return ((split, line, row) for split in SPLITS for line, row in read_rows(folder, split))


def load_rows(spec: TaskSpec, rows: Iterable[tuple[str, int, dict[str, Any]]]) -> TaskRows:
    found = TaskRows(spec)
    only = spec.inputs[0] if len(spec.inputs) == 1 else ""
    for split, line, row in rows:
        answer = render_target(spec, row)
        if not answer or not has_input(spec, row):
            found.empty.append((split, line))
            continue
        if spec.weight and row_weight(spec, row) is None:
            found.bad_weights.append((split, line))
        if only:
            text = input_text(row[only])
        else:
            parts = tuple(input_text(row.get(name)) for name in spec.inputs)
            text = "\n".join(parts)
            found.parts.append(parts)
        found.splits.append(split)
        found.lines.append(line)
        found.texts.append(text)
        found.keys.append(" ".join(text.split()))
        found.answers.append(answer)
    return found


def task_health(rows: TaskRows, signatures: Any, max_tokens: int | None = None) -> TaskHealth:
    findings = [*_size_findings(rows), *_repeat_findings(rows), *_near_findings(rows, signatures)]
    findings += [Finding(**f) for f in label_findings(rows.spec, rows.splits, rows.lines, rows.answers)]
    findings += [Finding(**f) for f in text_findings(rows, max_tokens)]
    rank = {"error": 0, "warning": 1, "info": 2}
    findings.sort(key=lambda f: (rank[f.severity], -f.count))
    statistics = {
        "rows": {s: rows.splits.count(s) for s in SPLITS},
        "labels": label_statistics(rows.spec, rows.splits, rows.texts, rows.answers),
        **length_statistics(rows),
    }
    return TaskHealth(rows.spec.task_id, rows.spec.name, tuple(findings), statistics)


def places_of(rows: TaskRows, indices: Iterable[int]) -> tuple[Place, ...]:
    return tuple(rows.place(i) for i in sorted(indices)[:SHOWN_PLACES])


def _size_findings(rows: TaskRows) -> list[Finding]:
    found = []
    if rows.empty:
        places = tuple(rows.empty[:SHOWN_PLACES])
        found.append(Finding("health.empty", "warning", len(rows.empty), {}, places, "drop_empty"))
    if rows.bad_weights:
        places, values = tuple(rows.bad_weights[:SHOWN_PLACES]), {"column": rows.spec.weight}
        found.append(Finding("health.bad_weights", "warning", len(rows.bad_weights), values, places))
    train, test = rows.splits.count("train"), rows.splits.count("test")
    if train < FEW_ROWS:
        found.append(Finding("health.few_rows", "warning", train, {"bound": FEW_ROWS}))
    if 0 < test < SMALL_EXAM:
        found.append(Finding("health.small_exam", "info", test, {"bound": SMALL_EXAM}))
    if not test:
        found.append(Finding("health.no_exam", "warning", 0))
    return found


def same_inputs(rows: TaskRows) -> list[list[int]]:
    """Groups of two or more rows with one input; kept, since several findings rest on them."""
    if rows.groups is None:
        first: dict[str, int] = {}
        groups: dict[int, list[int]] = {}
        for index, key in enumerate(rows.keys):
            owner = first.setdefault(key, index)
            if owner != index:
                groups.setdefault(owner, [owner]).append(index)
        rows.groups = list(groups.values())
    return rows.groups


def repeated_rows(rows: TaskRows) -> list[int]:
    """Rows that repeat an earlier one of their split, input and answer alike."""
    found = []
    for group in same_inputs(rows):
        seen = set()
        for i in group:
            mark = (rows.splits[i], rows.answers[i])
            if mark in seen:
                found.append(i)
            seen.add(mark)
    return found


def conflicting_rows(rows: TaskRows) -> list[list[int]]:
    """Groups of training and validation rows that ask the same and answer differently."""
    kept = ([i for i in g if rows.splits[i] != "test"] for g in same_inputs(rows))
    return [g for g in kept if len({rows.answers[i] for i in g}) > 1]


def leaking_rows(rows: TaskRows) -> list[int]:
    """Training or validation rows whose input stands in a stricter split too."""
    found = []
    for group in same_inputs(rows):
        splits = {rows.splits[i] for i in group}
        if len(splits) > 1:
            strictest = "test" if "test" in splits else "validation"
            found += [i for i in group if rows.splits[i] != strictest]
    return found


def _repeat_findings(rows: TaskRows) -> list[Finding]:
    found = []
    repeated = repeated_rows(rows)
    if repeated:
        places = places_of(rows, repeated)
        found.append(Finding("health.duplicates", "warning", len(repeated), {}, places, "drop_duplicates"))
    conflicts = conflicting_rows(rows)
    if conflicts:
        first = conflicts[0]
        values = {
            "groups": len(conflicts),
            "example": rows.texts[first[0]][:120],
            "answers": " / ".join(dict.fromkeys(rows.answers[i][:40] for i in first))[:200],
        }
        places = places_of(rows, [i for g in conflicts for i in g])
        severity = "info" if rows.spec.kind == "generation" else "warning"  # there are many good free answers
        count = sum(map(len, conflicts))
        found.append(Finding("health.conflicts", severity, count, values, places, "keep_majority"))
    leaks = leaking_rows(rows)
    if leaks:
        found.append(Finding("health.leaks", "error", len(leaks), {}, places_of(rows, leaks), "drop_leaks"))
    return found


def near_groups(rows: TaskRows, signatures: Any) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Near-duplicate pairs inside training, and (row, row of a stricter split it leaks into); no exact ones."""
    first: dict[str, int] = {}
    unique = [first.setdefault(key, i) for i, key in enumerate(rows.keys)]
    order = [i for i, owner in enumerate(unique) if i == owner]
    # A text of several splits stands for all of them; those are exact leaks and reported as such.
    chosen = signatures[np.asarray(order, dtype=np.int64)]
    pairs = near_pairs([rows.texts[i] for i in order], chosen)
    inside, across = [], []
    for a, b in ((order[a], order[b]) for a, b in pairs):
        if not _alike_in_parts(rows, a, b):
            continue
        strictness = [SPLITS.index(rows.splits[i]) for i in (a, b)]
        if strictness == [0, 0]:
            inside.append((a, b))
        elif strictness[0] != strictness[1]:
            across.append((a, b) if strictness[1] > strictness[0] else (b, a))
    return inside, across


def _alike_in_parts(rows: TaskRows, a: int, b: int) -> bool:
    """Two questions about one passage, or one question with two answers, are not the same example."""
    pairs = [(rows.answers[a], rows.answers[b])]
    if len(rows.spec.inputs) > 1:
        pairs += zip(rows.parts[a], rows.parts[b], strict=True)
    return all(x == y or text_overlap(x, y) >= PART_OVERLAP for x, y in pairs)


def _near_findings(rows: TaskRows, signatures: Any) -> list[Finding]:
    inside, across = near_groups(rows, signatures)
    exam = [pair for pair in across if rows.splits[pair[1]] == "test"]
    check = [pair for pair in across if rows.splits[pair[1]] == "validation"]
    found = []
    for pairs, key, severity, fix, side in (
        (inside, "health.near_duplicates", "info", "drop_near_duplicates", 1),
        (exam, "health.near_leaks", "warning", "drop_near_leaks", 0),
        (check, "health.near_leaks_check", "info", "drop_near_check_leaks", 0),
    ):
        if pairs:
            a, b = pairs[0]
            values = {"one": rows.texts[a][:120], "other": rows.texts[b][:120]}
            named = {pair[side] for pair in pairs}
            found.append(Finding(key, severity, len(named), values, places_of(rows, named), fix))
    return found

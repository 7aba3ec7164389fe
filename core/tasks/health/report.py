"""The health report: what is wrong with the tasks before a run is spent on them.

Each finding is a message key with its values, the places concerned and the name of a fix
(core/tasks/changing/fixes.py) if one click can mend it. Everything is plain data: `HealthReport.as_dict()` is JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.messages import english
from core.tasks.cuts import Cuts, LengthLimit, looked_at, measure_cuts, percent
from core.tasks.dataset import build_examples, has_input, render_target
from core.tasks.enough import FEW_EXAM, FEW_PRACTICE, SOME_EXAM, SOME_PRACTICE
from core.tasks.health.across import across_findings
from core.tasks.health.labels import label_findings, label_statistics
from core.tasks.health.near_duplicates import NearIndex
from core.tasks.health.rows import (
    SHOWN_PLACES,
    Place,
    TaskRows,
    conflicting_rows,
    leaking_rows,
    load_rows,
    majority_answer,
    near_groups,
    places_of,
    read_all,
    repeated_rows,
)
from core.tasks.health.texts import length_statistics, text_findings
from core.tasks.spec import SPLITS
from core.tasks.store import get_task, list_tasks, read_rows, task_dir
from core.tasks.token_estimate import estimate_all
from core.tasks.token_file import TokenFile
from core.workspace import Project

SEVERITIES = ("error", "warning", "info")
HARM = (  # the most harmful first; what is not named here comes last
    *("left_out", "leaks", "single_label", "no_exam", "few_rows", "few_exam", "unseen_labels", "conflicts", "cut"),
    *("alike_labels", "near_leaks", "near_leaks_check", "leak_across", "near_leak_across", "unasked_labels"),
    *(
        "unasked_labels_own",
        "unasked_labels_few",
        "bad_weights",
        "personal",
        "empty",
        "no_check",
        "rare_labels",
        "lopsided_labels",
    ),
)
SCARCE = ("few_rows", "some_rows", "few_exam", "small_exam")  # their count is what is there, not what is wrong


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
    project: Project, names: Sequence[str] | None = None, limit: LengthLimit | None = None
) -> HealthReport:
    """Looks at all tasks of a project, or those named; `limit` tells which rows are too long for a base model.

    Raises:
        WorkspaceError: an unknown task, or damaged rows. ModelError: no such tokenizer.
    """
    specs = list_tasks(project) if names is None else [get_task(project, n) for n in names]
    count = TokenFile(Path(limit.token_file)).count if limit and limit.token_file else estimate_all
    index = NearIndex()
    tasks, loaded = [], []
    for spec in specs:
        rows = load_rows(spec, read_all(project, spec))
        signatures = index.signatures(rows.texts)
        rows.count_tokens = count
        cuts = None if limit is None else _measure_cuts(project, rows, limit)
        tasks.append(task_health(rows, signatures, limit, cuts))
        loaded.append((rows, signatures))
    return HealthReport(tuple(tasks), tuple(Finding(**f) for f in across_findings(loaded)))


def _measure_cuts(project: Project, rows: TaskRows, limit: LengthLimit) -> Cuts:
    """The count that Ready makes of the same rows; only those looked at become prompts."""
    spec, total = rows.spec, rows.splits.count("train")
    wanted = frozenset(looked_at(total))
    usable = (
        (line, row)
        for line, row in read_rows(task_dir(project, spec.task_id), "train")
        if has_input(spec, row) and render_target(spec, row)
    )
    some = [numbered for place, numbered in enumerate(usable) if place in wanted]
    return measure_cuts(build_examples(spec, some, "train"), limit, total)


def harm_of(finding: Finding) -> tuple[int, int, int]:
    """Sorts findings, the most harmful first: what stops or fools a training, then what spoils its score, then what
    costs some rows. Of too few rows the fewest are the worst, of faults the most."""
    name = finding.key.removeprefix("health.")
    rank = HARM.index(name) if name in HARM else len(HARM)
    size = finding.count if name in SCARCE else -finding.count
    return SEVERITIES.index(finding.severity), rank, size


def task_health(
    rows: TaskRows, signatures: Any, limit: LengthLimit | None = None, cuts: Cuts | None = None
) -> TaskHealth:
    findings = [*_size_findings(rows), *_repeat_findings(rows), *_near_findings(rows, signatures)]
    findings += [Finding(**f) for f in label_findings(rows.spec, rows.splits, rows.lines, rows.answers)]
    findings += [Finding(**f) for f in text_findings(rows)]
    if limit is not None and cuts is not None:
        findings += _cut_findings(limit, cuts)
    findings.sort(key=harm_of)
    statistics = {
        "rows": {s: rows.splits.count(s) for s in SPLITS},
        "labels": label_statistics(rows.spec, rows.splits, rows.texts, rows.answers),
        **length_statistics(rows),
    }
    if limit is not None and cuts is not None:
        statistics["too_long"] = {
            "limit": limit.max_tokens,
            "model": limit.model,
            "cut": cuts.cut,
            "left_out": cuts.left_out,
            "rows": cuts.rows,
            "estimated": cuts.is_estimated,
        }
    return TaskHealth(rows.spec.task_id, rows.spec.name, tuple(findings), statistics)


def _cut_findings(limit: LengthLimit, cuts: Cuts) -> list[Finding]:
    known = {"limit": limit.max_tokens, "model": limit.model, "rows": cuts.rows}
    found = []
    if cuts.cut:
        places = tuple(("train", line) for line in cuts.lines[:SHOWN_PLACES])
        values = known | {"share": percent(cuts.cut, cuts.rows), "column": cuts.column}
        found.append(Finding("health.cut", "warning", cuts.cut, values, places))
    if cuts.left_out:
        places = tuple(("train", line) for line in cuts.left_out_lines[:SHOWN_PLACES])
        severity = "error" if cuts.left_out == cuts.rows else "warning"
        found.append(Finding("health.left_out", severity, cuts.left_out, known, places))
    return found


def _size_findings(rows: TaskRows) -> list[Finding]:
    found = []
    if rows.empty:
        places = tuple(rows.empty[:SHOWN_PLACES])
        found.append(Finding("health.empty", "warning", len(rows.empty), {}, places, "drop_empty"))
    if rows.bad_weights:
        places, values = tuple(rows.bad_weights[:SHOWN_PLACES]), {"column": rows.spec.weight}
        found.append(Finding("health.bad_weights", "warning", len(rows.bad_weights), values, places))
    return [*found, *_count_findings(*(rows.splits.count(split) for split in SPLITS))]


def _count_findings(train: int, check: int, test: int) -> list[Finding]:
    """Warnings are what the Ready card warns of as well."""
    found = []
    if train < FEW_PRACTICE:
        found.append(Finding("health.few_rows", "warning", train, {"bound": FEW_PRACTICE}))
    elif train < SOME_PRACTICE:
        found.append(Finding("health.some_rows", "info", train))
    if not check:
        found.append(Finding("health.no_check", "warning", 0))
    if not test:
        found.append(Finding("health.no_exam", "warning", 0))
    elif test < FEW_EXAM:
        found.append(Finding("health.few_exam", "warning", test, {"bound": FEW_EXAM}))
    elif test < SOME_EXAM:
        found.append(Finding("health.small_exam", "info", test, {"bound": SOME_EXAM}))
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
        fix = "keep_majority" if any(majority_answer(rows, group) is not None for group in conflicts) else ""
        found.append(Finding("health.conflicts", severity, count, values, places, fix))
    leaks = leaking_rows(rows)
    if leaks:
        found.append(Finding("health.leaks", "error", len(leaks), {}, places_of(rows, leaks), "drop_leaks"))
    return found


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

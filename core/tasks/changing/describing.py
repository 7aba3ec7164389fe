"""What a table becomes as a task: roles, kind, metric, wording; guessed where the request does not say."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from core.base.errors import SettingError, WorkspaceError
from core.base.files import new_id
from core.base.records import from_record
from core.tasks.cell_text import input_text
from core.tasks.dataset import render_target
from core.tasks.guessing.answers import MAX_LABELS
from core.tasks.guessing.profile import sample_rows
from core.tasks.guessing.questions import open_doubts
from core.tasks.guessing.roles import guess_roles, require_columns
from core.tasks.reading.readings import Doubt, ReadOptions
from core.tasks.reading.shards import hash_parts, name_parts
from core.tasks.reading.table import Table
from core.tasks.spec import SourceInfo, SplitSettings, TaskSpec
from core.tasks.templates import check_template, default_instruction, default_template


@dataclass(frozen=True)
class TaskRequest:
    """What is known about a file before it is read. None (or empty) means guessed.

    `file_name`, `test_file_name` and `validation_file_name` are the names users know when the paths are temporary
    copies; `more_paths`, ... are further parts of the same table, in order. Without a `split`, a column of the file
    that says train, test, ... is followed, else rows are drawn. `not_taken` names further splits or files of the
    same data set, which the task is told to be without.
    """

    name: str | None = None
    test_path: Path | str | None = None
    inputs: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    instruction: str | None = None
    metric: str | None = None
    kind: str | None = None
    template: str | None = None
    split: SplitSettings | None = None
    options: ReadOptions = field(default_factory=ReadOptions)
    label_names: dict[str, str] = field(default_factory=dict)
    target_separator: str = " | "
    file_name: str | None = None
    test_file_name: str | None = None
    weight: str = ""
    licence: str = ""
    citation: str = ""
    more_paths: tuple[Path, ...] = ()
    more_test_paths: tuple[Path, ...] = ()
    validation_path: Path | str | None = None
    validation_file_name: str | None = None
    more_validation_paths: tuple[Path, ...] = ()
    not_taken: tuple[str, ...] = ()


@dataclass(frozen=True)
class KeptSettings:
    """What an exported task says of itself beside its rows."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    instruction: str
    template: str
    metric: str
    kind: str
    target_separator: str
    label_names: dict[str, str]
    label_marks: str
    templates: tuple[str, ...]
    system: str
    weight: str


def kept_settings(spec: TaskSpec) -> KeptSettings:
    return KeptSettings(**{f.name: getattr(spec, f.name) for f in fields(KeptSettings)})


def _as_exported(table: Table, request: TaskRequest) -> tuple[TaskRequest, dict[str, Any]]:
    """The request, filled with what an exported task says of itself and nobody says otherwise, and the fields of
    the task that no request has. A damaged or foreign note of that kind is left aside."""
    try:
        kept = from_record(KeptSettings, table.settings, table.name) if table.settings else None
    except WorkspaceError:
        kept = None
    if kept is None or not {*kept.inputs, *kept.targets} <= set(table.columns) or request.inputs or request.targets:
        return request, {}
    names = ("inputs", "targets", "instruction", "template", "metric", "kind", "label_names", "weight")
    known = {name: getattr(request, name) or getattr(kept, name) for name in names}
    separator = kept.target_separator if request.target_separator == " | " else request.target_separator
    own = {"templates": kept.templates, "system": kept.system, "label_marks": kept.label_marks}
    return replace(request, **known, target_separator=separator), own


def describe_task(name: str, table: Table, path: Path, request: TaskRequest) -> tuple[TaskSpec, tuple[Doubt, ...]]:
    """The task that a table becomes, and the questions that are open about it.

    Raises:
        TaskFileError, SettingError: no columns that could serve, unknown ones, a template that does not fit.
    """
    request, own = _as_exported(table, request)
    guess = guess_roles(table, request.inputs, request.targets, request.kind)
    both = set(guess.inputs) & set(guess.targets)
    if both:
        raise SettingError("task.both_roles", column=", ".join(sorted(both)))
    if request.weight:
        require_columns(table, (request.weight,))
    template = request.template or default_template(guess.inputs)
    for problem in check_template(template, table.columns, guess.targets):
        raise SettingError(problem.key, **problem.values)
    spec = TaskSpec(
        task_id=new_id("t"),
        name=name,
        inputs=guess.inputs,
        targets=guess.targets,
        instruction="",
        template=template,
        metric=request.metric or guess.metric,
        kind=guess.kind,
        target_separator=request.target_separator,
        split=choose_split(table, request, (*guess.inputs, *guess.targets), guess.split_column),
        columns=table.columns,
        source=_source(table, path, request),
        label_names=dict(request.label_names),
        weight=request.weight,
        created=time.time(),
        **{"label_marks": guess.label_marks, **own},
    )
    doubts = (*table.doubts, *open_doubts(table, guess, request.options))
    return _with_instruction(spec, table, request.instruction), doubts


def _with_instruction(spec: TaskSpec, table: Table, given: str | None) -> TaskSpec:
    if given is not None:
        return replace(spec, instruction=given.strip())
    rows = sample_rows(table)
    labels = find_labels(spec, rows)
    sample = " ".join(input_text(row.get(n))[:200] for row in rows[:20] for n in spec.inputs)
    instruction = default_instruction(spec.kind, spec.targets, labels, sample)
    return replace(spec, instruction=instruction.strip())


def _source(table: Table, path: Path, request: TaskRequest) -> SourceInfo:
    return SourceInfo(
        file=table.name,
        test_file=part_name(request.test_path, request.test_file_name, request.more_test_paths),
        validation_file=part_name(
            request.validation_path, request.validation_file_name, request.more_validation_paths
        ),
        format=table.format,
        encoding=table.encoding,
        sha256=hash_parts((path, *request.more_paths)),
        licence=request.licence,
        citation=request.citation,
    )


def choose_split(table: Table, request: TaskRequest, roles: Sequence[str], offered: str) -> SplitSettings:
    """What was asked for; else the column by which the file says it itself, else a draw."""
    if request.split is not None:
        return request.split
    column = table.split_column or offered
    if table.splits or not column or column in roles or request.test_path is not None:
        return SplitSettings()
    return SplitSettings(method="column", column=column)


def part_name(path: Path | str | None, name: str | None, more: Sequence[Path]) -> str:
    """The name of a test or check file as users know it; '' where there is none."""
    if path is None:
        return ""
    return name or name_parts([Path(path).name, *(p.name for p in more)])


def find_labels(spec: TaskSpec, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """The different answers of a classification task, sorted; () for other kinds or too many."""
    if spec.kind != "classification":
        return ()
    found = {render_target(spec, row) for row in rows} - {""}
    return tuple(sorted(found)) if len(found) <= MAX_LABELS else ()

"""The doors of this room for the browser and the command line: preview a file, add a task, change one.

Whatever goes wrong, tasks already in the project stay as they are.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from core.base.errors import Problem, SettingError
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import stage
from core.tasks.changing.resplit import deal_rows, recount
from core.tasks.changing.staging import commit_tasks, taken_names
from core.tasks.changing.versions import change_rows, change_spec, follow_labels
from core.tasks.spec import SplitSettings, TaskSpec, write_spec
from core.tasks.store import get_task, task_dir
from core.tasks.templates import check_template, default_template
from core.workspace import Project, require_label

_PLAIN = (
    "instruction",
    "metric",
    "kind",
    "target_separator",
    "label_names",
    "label_marks",
    "template",
    "templates",
    "system",
    "inputs",
    "targets",
    "weight",
)
_RECOUNTED = {"inputs", "targets", "label_names", "label_marks", "target_separator", "kind"}


@dataclass(frozen=True)
class _Change:
    spec: TaskSpec
    recount: bool
    resplit: bool


def add_task(
    project: Project, path: Path | str, request: TaskRequest | None = None, isolated: bool = False
) -> TaskSpec:
    """Adds one file (with an optional test file) as a task; `isolated` parses it in a limited child process.

    Raises:
        TaskFileError: the file cannot be read or used.
        SettingError: an unknown column, template placeholder, metric or kind.
        WorkspaceError: the name is taken, or the folder cannot be written.
    """
    staged = stage(project, path, request or TaskRequest(), taken_names(project), isolated)
    return commit_tasks(project, [staged])[0]


def add_pasted(project: Project, text: str, request: TaskRequest | None = None) -> TaskSpec:
    """Adds cells pasted from a spreadsheet (tabs between them) or pasted csv or JSON text.

    Raises:
        TaskFileError: nothing usable in the text. The others as `add_task`.
    """
    request = request or TaskRequest()
    with tempfile.TemporaryDirectory() as folder:
        path = write_pasted(text, Path(folder))
        return add_task(project, path, replace(request, name=request.name or None), isolated=True)


def write_pasted(text: str, folder: Path) -> Path:
    """Pasted rows as a file whose ending says what they look like."""
    start = text.lstrip()[:1]
    ending = {"{": "jsonl", "[": "json"}.get(start, "tsv" if "\t" in text else "csv")
    path = folder / f"pasted.{ending}"
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def update_task(project: Project, name: str, changes: dict[str, Any], redraw_exam: bool = False) -> TaskSpec:
    """Changes name, instruction, template(s), system, inputs, targets, weight, metric, kind, label_names or split;
    all but a new name make a version, so that a run's version says what it was trained on.

    The final exam is locked: a new split deals out the other rows only, unless `redraw_exam` says that the exam may
    change too (test rows from a file of their own never do).

    Raises:
        SettingError: an unknown field, or one that does not fit the columns.
    """
    spec = get_task(project, name)
    change = _apply(project, spec, changes)
    folder = task_dir(project, spec.task_id)
    if change.spec == spec:
        return spec
    if change.resplit:
        return _split_anew(project, spec, change.spec, redraw_exam)
    updated = recount(folder, change.spec) if change.recount else change.spec
    if "instruction" not in changes:
        updated = follow_labels(spec, updated)
    if replace(updated, name=spec.name) != spec:
        return change_spec(project, spec, updated, "settings")
    write_spec(updated, folder)
    return updated


def _split_anew(project: Project, spec: TaskSpec, changed: TaskSpec, redraw_exam: bool) -> TaskSpec:
    folder = task_dir(project, spec.task_id)
    locked = spec.num_test > 0 and not redraw_exam
    if locked:
        changed = replace(changed, split=replace(changed.split, test=spec.split.test))
    rows = deal_rows(folder, changed, locked)
    return change_rows(project, spec.task_id, rows, "split", len(rows), **_differences(spec, changed))


def _differences(spec: TaskSpec, changed: TaskSpec) -> dict[str, Any]:
    names = (f.name for f in fields(TaskSpec))
    return {n: getattr(changed, n) for n in names if getattr(changed, n) != getattr(spec, n)}


def _apply(project: Project, spec: TaskSpec, changes: dict[str, Any]) -> _Change:
    values: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "name":
            values[name] = _new_name(project, spec, value)
        elif name == "split":
            values[name] = value if isinstance(value, SplitSettings) else SplitSettings(**value)
        elif name in _PLAIN:
            values[name] = tuple(value) if name in ("inputs", "targets", "templates") else value
        else:
            raise SettingError("setting.unknown", name=name, known=", ".join(("name", "split", *_PLAIN)))
    if "inputs" in values and "template" not in values and spec.template == default_template(spec.inputs):
        values["template"] = default_template(values["inputs"])
    updated = replace(spec, **values)
    for problem in check_roles(updated):
        raise SettingError(problem.key, **problem.values)
    return _Change(updated, bool(_RECOUNTED & set(values)), "split" in values and updated.split != spec.split)


def _new_name(project: Project, spec: TaskSpec, value: str) -> str:
    label = require_label(value)
    if label != spec.name and label in taken_names(project):
        raise SettingError("workspace.task_exists", project=project.name, name=label)
    return label


def check_roles(spec: TaskSpec) -> list[Problem]:
    """Columns that are not there, columns that are input and answer at once, and a template that does not fit."""
    problems = []
    known = ", ".join(spec.columns)
    for name in (*spec.inputs, *spec.targets):
        if name not in spec.columns:
            problems.append(Problem("inputs", "task.no_column", {"column": name, "known": known}))
    for name in set(spec.inputs) & set(spec.targets):
        problems.append(Problem("targets", "task.both_roles", {"column": name}))
    if not spec.inputs or not spec.targets:
        problems.append(Problem("inputs", "task.no_roles", {}))
    for column in (spec.split.column, spec.weight):
        if column and column not in spec.columns:
            problems.append(Problem("split", "task.no_column", {"column": column, "known": known}))
    if spec.weight in (*spec.inputs, *spec.targets) and spec.weight:
        problems.append(Problem("weight", "task.weight_used", {"column": spec.weight}))
    for template in (spec.template, *spec.templates):
        problems += check_template(template, spec.columns, spec.targets)
    return problems

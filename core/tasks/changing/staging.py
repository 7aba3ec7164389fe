"""Building a task in a hidden folder first; only a complete one is renamed into the project."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.base.errors import Problem, TaskFileError, WorkspaceError
from core.base.files import write_json_atomic
from core.base.folders import hidden_beside, remove_leftovers, undone_on_error
from core.tasks.cell_text import input_text, plain_value
from core.tasks.changing.describing import TaskRequest, describe_task
from core.tasks.dataset import has_input, render_target
from core.tasks.guessing.answers import MAX_LABELS
from core.tasks.guessing.roles import require_columns
from core.tasks.reading.files import DELIMITED
from core.tasks.reading.readings import Doubt, ReadOptions
from core.tasks.reading.shards import read_parts
from core.tasks.reading.table import ProblemLog, Table
from core.tasks.spec import SPLITS, TaskSpec, write_spec
from core.tasks.splitting import SplitKeys, split_rows
from core.tasks.store import list_tasks, not_writable, write_doubts, write_rows
from core.workspace import Project, require_label


@dataclass(frozen=True)
class StagedTask:
    """A complete task that is not in the project yet."""

    spec: TaskSpec
    folder: Path
    problems: list[Problem]
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True)
class SplitRow:
    split: str
    line: int
    row: dict[str, Any]


def stage_task(
    project: Project, path: Path | str, request: TaskRequest, taken: frozenset[str], folder_name: str = ""
) -> StagedTask:
    """Reads, checks and writes one task into a hidden folder of the project (`folder_name`, else a new one).

    Raises:
        TaskFileError, SettingError, WorkspaceError: nothing is left behind.
    """
    path = Path(path)
    table = read_parts((path, *request.more_paths), request.options, request.file_name or path.name)
    name = require_label(request.name or free_name(stem_of(table.name), taken))
    if name in taken:
        raise WorkspaceError("workspace.task_exists", project=project.name, name=name)
    spec, doubts = describe_task(name, table, path, request)
    log = ProblemLog(table.name, list(table.problems))
    rows = _split(spec, table, _read_test(table, spec, request, log), log)
    spec = with_counts(spec, rows, log)
    folder = project.tasks_dir / folder_name if folder_name else hidden_beside(project.tasks_dir / "task")
    try:
        with undone_on_error(lambda: shutil.rmtree(folder, ignore_errors=True)):
            folder.mkdir(parents=True)
            write_task(folder, spec, rows, log.finish())
            write_doubts(folder, doubts)
    except OSError as error:
        raise not_writable(project.tasks_dir, error) from error
    return StagedTask(spec, folder, log.problems, doubts)


def commit_tasks(project: Project, staged: list[StagedTask]) -> list[TaskSpec]:
    """Moves complete tasks into the project: all of them or none."""
    moved: list[Path] = []
    try:
        for task in staged:
            final = project.tasks_dir / task.spec.task_id
            task.folder.replace(final)
            moved.append(final)
    except OSError as error:
        for folder in moved:
            shutil.rmtree(folder, ignore_errors=True)
        discard_tasks(staged)
        raise not_writable(project.tasks_dir, error) from error
    return [task.spec for task in staged]


def discard_tasks(staged: list[StagedTask]) -> None:
    for task in staged:
        shutil.rmtree(task.folder, ignore_errors=True)


def taken_names(project: Project) -> frozenset[str]:
    remove_leftovers(project.tasks_dir)
    return frozenset(spec.name for spec in list_tasks(project))


def stem_of(file_name: str) -> str:
    """'banking77.train.csv.gz' -> 'banking77'; a name for a task that came without one."""
    stem = file_name.lower().removesuffix(".gz")
    stem = file_name[: len(stem)].rpartition(".")[0] or file_name
    for mark in (".train", "_train", "-train"):
        if stem.lower().endswith(mark) and len(stem) > len(mark):
            stem = stem[: -len(mark)]
    return "".join(c for c in stem if c.isprintable()).strip()[:70] or "task"


def free_name(name: str, taken: frozenset[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free = f"{name} {number}"
        number += 1
    return free


def write_task(folder: Path, spec: TaskSpec, rows: list[SplitRow], problems: list[Problem]) -> None:
    for split in SPLITS:
        write_rows(folder / f"{split}.jsonl", ((r.line, r.row) for r in rows if r.split == split))
    write_json_atomic(folder / "problems.json", [p.as_dict() for p in problems])
    write_spec(spec, folder)


def _read_test(table: Table, spec: TaskSpec, request: TaskRequest, log: ProblemLog) -> Table | None:
    """The test file, read like the train file; it must have the same columns where they matter."""
    if request.test_path is None:
        return None
    options = request.options
    if not table.has_header:
        options = ReadOptions(
            sheet=options.sheet, delimiter=options.delimiter, header=False, column_names=table.columns
        )
    test = read_parts((Path(request.test_path), *request.more_test_paths), options, spec.source.test_file)
    require_columns(test, (*spec.inputs, *spec.targets))
    log.problems += test.problems
    return test


def input_key(spec: TaskSpec, row: dict[str, Any]) -> str:
    """What must be equal for two rows to ask the same: all inputs, blanks evened out."""
    if len(spec.inputs) == 1:
        return " ".join(input_text(row.get(spec.inputs[0])).split())
    return "\x1f".join(" ".join(input_text(row.get(name)).split()) for name in spec.inputs)


def split_keys(spec: TaskSpec, rows: Sequence[dict[str, Any]]) -> SplitKeys:
    """What `split_rows` needs to know of the rows, for the way of splitting that the task has."""
    method, column = spec.split.method, spec.split.column
    return SplitKeys(
        [input_key(spec, row) for row in rows],
        [render_target(spec, row) for row in rows] if method == "stratified" else (),
        [input_text(row.get(column)) for row in rows] if column else (),
    )


def _split(spec: TaskSpec, table: Table, test: Table | None, log: ProblemLog) -> list[SplitRow]:
    if spec.split.column:
        require_columns(table, (spec.split.column,))
    keys = split_keys(spec, table.rows)
    test_keys = None if test is None else [input_key(spec, row) for row in test.rows]
    rows = []
    left_out = []
    all_text = table.format in DELIMITED  # cells of such files are text already; a million rows need no copies
    for split, line, row in zip(split_rows(keys, spec.split, test_keys), table.lines, table.rows, strict=True):
        if split is None:
            left_out.append(line)
        else:
            rows.append(SplitRow(split, line, row if all_text else {k: plain_value(v) for k, v in row.items()}))
    if left_out:
        some = ", ".join(str(n) for n in left_out[:10])
        log.add("task.in_test", "warning", count=len(left_out), lines=some)
    if test is not None:
        for line, row in zip(test.lines, test.rows, strict=True):
            rows.append(SplitRow("test", line, {k: plain_value(v) for k, v in row.items()}))
    return rows


def with_counts(spec: TaskSpec, rows: list[SplitRow], log: ProblemLog) -> TaskSpec:
    """The spec with its sizes and labels; rows that cannot serve are noted."""
    counts: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for item in rows:
        answer = render_target(spec, item.row)
        if answer and has_input(spec, item.row):
            counts[item.split] += 1
            if len(answers) <= MAX_LABELS:
                answers[answer] += 1
        else:
            file = spec.source.test_file if item.split == "test" and spec.source.test_file else spec.source.file
            key = "task.empty_input" if answer else "task.empty_answer"
            log.add(key, "warning", line=item.line, place=f"{file}, line {item.line}", raw=item.row)
    if not counts["train"]:
        raise TaskFileError(
            "task.nothing_to_train", file=log.file, inputs=", ".join(spec.inputs), targets=", ".join(spec.targets)
        )
    return replace(
        spec,
        num_train=counts["train"],
        num_validation=counts["validation"],
        num_test=counts["test"],
        labels=tuple(sorted(answers)) if spec.kind == "classification" and len(answers) <= MAX_LABELS else (),
    )

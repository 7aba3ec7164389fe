"""Building a task in a hidden folder first; only a complete one is renamed into the project."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.base.errors import Problem, SettingError, TaskFileError, WorkspaceError
from core.base.files import new_id, write_json_atomic
from core.base.folders import hidden_beside, remove_leftovers, undone_on_error
from core.tasks.cell_text import input_text, plain_value
from core.tasks.dataset import has_input, render_target
from core.tasks.guessing.kinds import MAX_LABELS
from core.tasks.guessing.profile import sample_rows
from core.tasks.guessing.roles import guess_roles, require_columns
from core.tasks.reading.files import DELIMITED
from core.tasks.reading.shards import hash_parts, read_parts
from core.tasks.reading.table import Doubt, ProblemLog, ReadOptions, Table
from core.tasks.spec import SPLITS, SourceInfo, SplitSettings, TaskSpec, write_spec
from core.tasks.splitting import SplitKeys, split_rows
from core.tasks.store import list_tasks, not_writable, write_doubts, write_rows
from core.tasks.templates import check_template, default_instruction, default_template
from core.workspace import Project, require_label


@dataclass(frozen=True)
class TaskRequest:
    """What is known about a file before it is read. None (or empty) means guessed.

    `file_name` and `test_file_name` are the names users know when the paths are temporary copies; `more_paths` and
    `more_test_paths` are further parts of the same table, in order.
    """

    name: str | None = None
    test_path: Path | str | None = None
    inputs: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    instruction: str | None = None
    metric: str | None = None
    kind: str | None = None
    template: str | None = None
    split: SplitSettings = field(default_factory=SplitSettings)
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
    spec = _describe(name, table, path, request)
    log = ProblemLog(table.name, list(table.problems))
    rows = _split(spec, table, _read_test(table, spec, request, log), log)
    spec = with_counts(spec, rows, log)
    folder = project.tasks_dir / folder_name if folder_name else hidden_beside(project.tasks_dir / "task")
    try:
        with undone_on_error(lambda: shutil.rmtree(folder, ignore_errors=True)):
            folder.mkdir(parents=True)
            write_task(folder, spec, rows, log.finish())
            write_doubts(folder, table.doubts)
    except OSError as error:
        raise not_writable(project.tasks_dir, error) from error
    return StagedTask(spec, folder, log.problems, table.doubts)


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


def _describe(name: str, table: Table, path: Path, request: TaskRequest) -> TaskSpec:
    guess = guess_roles(table, request.inputs, request.targets)
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
        kind=request.kind or guess.kind,
        target_separator=request.target_separator,
        split=request.split,
        columns=table.columns,
        source=_source(table, path, request),
        label_names=dict(request.label_names),
        weight=request.weight,
        created=time.time(),
    )
    rows = sample_rows(table)
    labels = find_labels(spec, rows)
    sample = " ".join(input_text(row.get(n))[:200] for row in rows[:20] for n in guess.inputs)
    instruction = request.instruction
    if instruction is None:
        instruction = default_instruction(spec.kind, spec.targets, labels, sample)
    return replace(spec, instruction=instruction.strip())


def _source(table: Table, path: Path, request: TaskRequest) -> SourceInfo:
    return SourceInfo(
        file=table.name,
        test_file=_test_name(request),
        format=table.format,
        encoding=table.encoding,
        sha256=hash_parts((path, *request.more_paths)),
        licence=request.licence,
        citation=request.citation,
    )


def _test_name(request: TaskRequest) -> str:
    if request.test_path is None:
        return ""
    return request.test_file_name or Path(request.test_path).name


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


def find_labels(spec: TaskSpec, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """The different answers of a classification task, sorted; () for other kinds or too many."""
    if spec.kind != "classification":
        return ()
    found = {render_target(spec, row) for row in rows} - {""}
    return tuple(sorted(found)) if len(found) <= MAX_LABELS else ()

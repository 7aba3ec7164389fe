"""Which rows of a new task train, check and examine: by its files, a column that says it, or a draw; all told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from core.tasks.cell_text import input_text, plain_value
from core.tasks.changing.describing import TaskRequest
from core.tasks.dataset import render_target
from core.tasks.guessing.roles import require_columns
from core.tasks.reading.files import DELIMITED
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.shards import read_parts
from core.tasks.reading.table import ProblemLog, Table
from core.tasks.spec import SplitSettings, TaskSpec
from core.tasks.splitting import SplitKeys, split_rows, unknown_words

_LISTED = 10


class SplitRow(NamedTuple):
    """`line` tells the rows of a task apart; `own_line` is the one in a file of its own, where that is another."""

    split: str
    line: int
    row: dict[str, Any]
    own_line: int = 0


@dataclass(frozen=True)
class PartFiles:
    """The tables of a test and a check file, where there are any."""

    test: Table | None = None
    validation: Table | None = None


def read_part_files(table: Table, spec: TaskSpec, request: TaskRequest, log: ProblemLog) -> PartFiles:
    """The test and the check file, read like the train file; they must have the same columns where they matter."""
    names = (spec.source.test_file, spec.source.validation_file)
    paths = (
        (request.test_path, *request.more_test_paths),
        (request.validation_path, *request.more_validation_paths),
    )
    found: list[Table | None] = []
    for name, parts in zip(names, paths, strict=True):
        if parts[0] is None:
            found.append(None)
            continue
        part = read_parts([Path(p) for p in parts if p is not None], _like(table, request.options), name)
        require_columns(part, (*spec.inputs, *spec.targets))
        log.problems += part.problems
        found.append(part)
    return PartFiles(*found)


def _like(table: Table, options: ReadOptions) -> ReadOptions:
    if table.has_header:
        return options
    return replace(options, header=False, column_names=table.columns)


def deal_table(spec: TaskSpec, table: Table, files: PartFiles, log: ProblemLog) -> list[SplitRow]:
    """Every row with its split; rows that are left out are told. Rows that an export has written keep theirs."""
    if table.splits and files == PartFiles() and spec.split == SplitSettings():
        kept = zip(table.splits, table.lines, table.rows, strict=True)
        return [SplitRow(split, line, _plain(row)) for split, line, row in kept]
    if spec.split.column:
        require_columns(table, (spec.split.column,))
    test_keys = None if files.test is None else [input_key(spec, row) for row in files.test.rows]
    held = _held_back(spec, files, test_keys, max(table.lines), log)
    # A check file is the check set; drawing another from the training rows would make it two.
    settings = spec.split if files.validation is None else replace(spec.split, validation=0.0)
    keys = split_keys(spec, table.rows)
    # Asked by the check file too, so training on it would make the check tell nothing.
    check_keys = frozenset(input_key(spec, item.row) for item in held if item.split == "validation")
    dealt = split_rows(keys, settings, test_keys)
    all_text = table.format in DELIMITED  # cells of such files are text already; a million rows need no copies
    rows: list[SplitRow] = []
    left_out: list[int] = []
    for index, (split, line, row) in enumerate(zip(dealt, table.lines, table.rows, strict=True)):
        if split is None or keys.inputs[index] in check_keys:
            left_out.append(line)
        else:
            rows.append(SplitRow(split, line, row if all_text else _plain(row)))
    unknown = _tell_column(spec, table, rows, log)
    _tell_left_out(spec, [line for line in left_out if line not in unknown], files, log)
    return rows + held


def _held_back(
    spec: TaskSpec, files: PartFiles, test_keys: Sequence[str] | None, last: int, log: ProblemLog
) -> list[SplitRow]:
    """The rows of the test and the check file; a check row that asks what an exam row asks is left out. Check rows
    are numbered on from the `last` line of the train file, since rows may move between the two."""
    held = []
    exam = frozenset(test_keys or ())
    twice = []
    if files.validation is not None:
        for line, row in zip(files.validation.lines, files.validation.rows, strict=True):
            if input_key(spec, row) in exam:
                twice.append(line)
            else:
                held.append(SplitRow("validation", last + line, _plain(row), line))
        if twice:
            part = spec.source.validation_file
            log.add("task.check_in_test", "warning", count=len(twice), lines=_some(twice), part=part)
    if files.test is not None:
        held += [SplitRow("test", n, _plain(row)) for n, row in zip(files.test.lines, files.test.rows, strict=True)]
    return held


def _tell_column(spec: TaskSpec, table: Table, rows: list[SplitRow], log: ProblemLog) -> frozenset[int]:
    """What the split column was taken for, and which words it says that nobody knows; the lines of those."""
    if spec.split.method != "column":
        return frozenset()
    column = spec.split.column
    counts = Counter(item.split for item in rows)
    values = {split: counts[split] for split in ("train", "validation", "test")}
    log.tell("task.by_column", column=column, **values)
    words = unknown_words([input_text(row.get(column)) for row in table.rows])
    if not words:
        return frozenset()
    listed = ", ".join(f"{word or '(empty)'} ({count})" for word, count in words.most_common(_LISTED))
    log.add("task.unknown_splits", "warning", column=column, words=listed, count=words.total())
    lines = (
        n for n, row in zip(table.lines, table.rows, strict=True) if input_text(row.get(column)).strip() in words
    )
    return frozenset(lines)


def _tell_left_out(spec: TaskSpec, left_out: list[int], files: PartFiles, log: ProblemLog) -> None:
    if not left_out:
        return
    by_column = spec.split.method == "column" and files.test is None and files.validation is None
    key = "task.in_other_split" if by_column else "task.in_test"
    log.add(key, "warning", count=len(left_out), lines=_some(left_out))


def _some(lines: Sequence[int]) -> str:
    return ", ".join(str(n) for n in lines[:_LISTED])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, str) else plain_value(v) for k, v in row.items()}


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

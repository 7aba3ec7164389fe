"""Changing a stored task: sizes counted anew when its roles change, rows dealt out anew when that is asked for."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.errors import SettingError, TaskFileError
from core.tasks.changing.dealing import SplitRow, input_key, split_keys
from core.tasks.changing.staging import with_counts
from core.tasks.changing.versions import read_all_rows
from core.tasks.guessing.questions import kind_doubt
from core.tasks.guessing.roles import RoleGuess, guess_roles
from core.tasks.reading.readings import Doubt, Reading
from core.tasks.reading.table import ProblemLog, Table
from core.tasks.spec import TaskSpec
from core.tasks.splitting import split_rows, unknown_words
from core.tasks.store import read_rows

EXPLAINED_ROWS = 300


def recount(folder: Path, spec: TaskSpec) -> TaskSpec:
    """The spec with sizes and labels as its present roles give them; no row changes its split.

    Raises:
        TaskFileError: no row would be left to train on.
    """
    return with_counts(spec, read_all_rows(folder), ProblemLog(spec.source.file))


def deal_rows(folder: Path, spec: TaskSpec, exam_locked: bool) -> list[SplitRow]:
    """All rows dealt out anew by `spec.split`; test rows stay with a locked exam, and rows of a test or check file.

    Raises:
        SettingError: the column says words that are in no split that is known.
    """
    rows = read_all_rows(folder)
    kept = {"test"} if exam_locked or spec.source.test_file else set()
    kept |= {"validation"} if spec.source.validation_file else set()
    held = [r for r in rows if r.split in kept]
    exam = [r for r in held if r.split == "test"]
    free = sorted((r for r in rows if r.split not in kept), key=lambda r: r.line)
    keys = split_keys(spec, [r.row for r in free])
    words = unknown_words(keys.column) if spec.split.method == "column" else None
    if words:
        listed = ", ".join(f"{word or '(empty)'} ({count})" for word, count in words.most_common(10))
        raise SettingError("task.bad_split_words", column=spec.split.column, words=listed)
    settings = replace(spec.split, validation=0.0) if spec.source.validation_file else spec.split
    splits = split_rows(keys, settings, [input_key(spec, r.row) for r in exam] if exam else None)
    return [r._replace(split=s or "train") for s, r in zip(splits, free, strict=True)] + held


def explain_roles(folder: Path, spec: TaskSpec) -> RoleGuess | None:
    """What would be guessed about the stored rows, with its reasons; None where nothing fits."""
    try:
        return guess_roles(_stored_table(folder, spec))
    except TaskFileError:
        return None


def changes_with(folder: Path, spec: TaskSpec, reading: Reading) -> tuple[dict[str, Any], Doubt | None]:
    """The fields of a task that change with its roles or its kind (what kind of answers there are, their metric),
    and the question about the kind that comes with other roles."""
    table = _stored_table(folder, spec)
    inputs, targets = reading.inputs or spec.inputs, reading.targets or spec.targets
    guess = guess_roles(table, inputs, targets, reading.kind or None)
    known: dict[str, Any] = {"inputs": inputs, "targets": targets, "kind": guess.kind, "metric": guess.metric}
    return known | {"label_marks": guess.label_marks}, kind_doubt(table, guess, reading.options)


def _stored_table(folder: Path, spec: TaskSpec) -> Table:
    rows = [row for _, row in itertools.islice(read_rows(folder, "train"), EXPLAINED_ROWS)]
    lines = list(range(len(rows)))
    return Table(spec.source.file, spec.source.format, spec.source.encoding, spec.columns, rows, lines, [])

"""Changing a stored task: sizes counted anew when its roles change, rows dealt out anew when that is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.splitting import split_rows
from core.tasks.staging import SplitRow, input_key, with_counts, write_task
from core.tasks.store import hidden_name, not_writable, read_rows, stored_problems
from core.tasks.table import ProblemLog


def read_all_rows(folder: Path) -> list[SplitRow]:
    return [SplitRow(split, line, row) for split in SPLITS for line, row in read_rows(folder, split)]


def recount(folder: Path, spec: TaskSpec) -> TaskSpec:
    """The spec with sizes and labels as its present roles give them; no row changes its split.

    Raises:
        TaskFileError: no row would be left to train on.
    """
    return with_counts(spec, read_all_rows(folder), ProblemLog(spec.source.file))


def resplit(folder: Path, spec: TaskSpec) -> TaskSpec:
    """Deals the rows out anew by `spec.split`; test rows that came from a file of their own stay."""
    rows = read_all_rows(folder)
    exam = [r for r in rows if r.split == "test"] if spec.source.test_file else []
    free = sorted((r for r in rows if r.split != "test" or not exam), key=lambda r: r.line)
    test_keys = [input_key(spec, r.row) for r in exam] if exam else None
    splits = split_rows([input_key(spec, r.row) for r in free], spec.split, test_keys)
    dealt = [SplitRow(s or "train", r.line, r.row) for s, r in zip(splits, free, strict=True)] + exam
    updated = with_counts(spec, dealt, ProblemLog(spec.source.file))
    _replace(folder, updated, dealt)
    return updated


def _replace(folder: Path, spec: TaskSpec, rows: list[SplitRow]) -> None:
    fresh, old = folder.with_name(hidden_name()), folder.with_name(hidden_name())
    try:
        fresh.mkdir()
        write_task(fresh, spec, rows, stored_problems(folder))
        folder.replace(old)
        fresh.replace(folder)
    except OSError as error:
        if old.is_dir() and not folder.is_dir():
            old.replace(folder)
        raise not_writable(folder.parent, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if folder.is_dir():
            shutil.rmtree(old, ignore_errors=True)

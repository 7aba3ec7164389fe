"""Changing a stored task: sizes counted anew when its roles change, rows dealt out anew when that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.tasks.spec import TaskSpec
from core.tasks.splitting import split_rows
from core.tasks.staging import SplitRow, input_key, split_keys, with_counts
from core.tasks.table import ProblemLog
from core.tasks.versions import read_all_rows


def recount(folder: Path, spec: TaskSpec) -> TaskSpec:
    """The spec with sizes and labels as its present roles give them; no row changes its split.

    Raises:
        TaskFileError: no row would be left to train on.
    """
    return with_counts(spec, read_all_rows(folder), ProblemLog(spec.source.file))


def deal_rows(folder: Path, spec: TaskSpec, exam_locked: bool) -> list[SplitRow]:
    """All rows dealt out anew by `spec.split`; test rows stay with a locked exam, or one from a file of its own."""
    rows = read_all_rows(folder)
    exam = [r for r in rows if r.split == "test"] if exam_locked or spec.source.test_file else []
    free = sorted((r for r in rows if r.split != "test" or not exam), key=lambda r: r.line)
    test_keys = [input_key(spec, r.row) for r in exam] if exam else None
    splits = split_rows(split_keys(spec, [r.row for r in free]), spec.split, test_keys)
    return [replace(r, split=s or "train") for s, r in zip(splits, free, strict=True)] + exam

"""Lists to download: problems of an import, findings of the health report, rows of a task. CSV for spreadsheets.

Spreadsheets run cells that begin with = + - @ or a control character as formulas, so those get a quotation mark in
front; the byte-order mark tells Excel that the file is UTF-8.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from core.base.errors import Problem
from core.base.formulas import guard
from core.tasks.cell_text import target_text
from core.tasks.changing.describing import kept_settings
from core.tasks.health.report import HealthReport
from core.tasks.reading.task_csv import write_task_csv
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import get_task, read_rows, task_dir
from core.workspace import Project

Wording = Callable[[str, dict[str, Any]], tuple[str, str]]


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file that opens as plain text everywhere."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow([guard(h) for h in header])
    writer.writerows([guard(target_text(cell)) for cell in row] for row in rows)
    return buffer.getvalue().encode("utf-8-sig")


def export_problems(problems: Sequence[Problem], word: Wording) -> bytes:
    """Place, message, hint and row of each problem; `word` says a message key in the reader's language."""
    rows = ((p.field, p.severity, *word(p.key, p.values), p.raw) for p in problems)
    return csv_bytes(("place", "severity", "problem", "what to do", "row"), rows)


def export_health(report: HealthReport, word: Wording) -> bytes:
    """All findings, one a line, with the places they name."""
    found = [(t.name, f) for t in report.tasks for f in t.findings] + [("", f) for f in report.across]
    rows = (
        (
            name,
            f.severity,
            f.count,
            *word(f.key, {"count": f.count, **f.values}),
            " ".join(f"{split}:{line}" for split, line in f.places),
        )
        for name, f in found
    )
    return csv_bytes(("task", "severity", "rows", "finding", "what to do", "places"), rows)


def export_rows(project: Project, name: str) -> bytes:
    """All rows of a task with their split and line; added again, the file gives the same rows."""
    spec: TaskSpec = get_task(project, name)
    folder = task_dir(project, spec.task_id)
    rows = ((split, line, row) for split in SPLITS for line, row in read_rows(folder, split))
    return write_task_csv(spec.columns, rows, asdict(kept_settings(spec)))

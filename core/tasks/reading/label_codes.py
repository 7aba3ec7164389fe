"""Names of label codes from a second file, such as medical_tc_labels.csv."""

from __future__ import annotations

from pathlib import Path

from core.base.errors import TaskFileError
from core.tasks.cell_text import target_text
from core.tasks.reading.files import read_table


def read_label_names(path: Path) -> dict[str, str]:
    """Code -> name from the first two columns of a file.

    Raises:
        TaskFileError: not readable, or fewer than two columns.
    """
    table = read_table(path)
    if len(table.columns) < 2:
        raise TaskFileError("file.one_column", file=table.name, columns=", ".join(table.columns))
    code, name = table.columns[:2]
    pairs = ((target_text(row[code]), target_text(row[name])) for row in table.rows)
    return {k: v for k, v in pairs if k and v}

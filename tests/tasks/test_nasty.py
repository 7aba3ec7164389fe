"""Every nasty file ends in a worded error or a clean import: no traceback, no hang, no lost rows."""

from __future__ import annotations

import string
import time
from pathlib import Path

import pytest

from core.errors import TaskFileError
from core.messages import MESSAGES
from core.tasks.files import read_table
from core.tasks.values import target_text
from tests.tasks.nasty_files import FILES, Nasty

PATIENCE = 10.0  # seconds for the largest of them on a busy machine


@pytest.mark.parametrize("nasty", FILES, ids=lambda n: n.id)
def test_nasty_file(nasty: Nasty, tmp_path: Path) -> None:
    path = tmp_path / nasty.file
    path.write_bytes(nasty.make())
    started = time.monotonic()
    if nasty.error:
        with pytest.raises(TaskFileError) as caught:
            read_table(path)
        assert caught.value.key == nasty.error
        assert nasty.file in caught.value.message
        assert caught.value.hint
        require_filled(caught.value.key, caught.value.values)
    else:
        table = read_table(path)
        assert len(table.rows) == nasty.rows == len(table.lines)
        assert set(nasty.notes) <= {p.key for p in table.problems}
        for problem in table.problems:
            require_filled(problem.key, problem.values)
        for row in table.rows:
            assert tuple(row) == table.columns
            "".join(target_text(v) for v in row.values()).encode("utf-8")
    assert time.monotonic() - started < PATIENCE


def require_filled(key: str, values: dict[str, object]) -> None:
    """No wording may be left with an unfilled {name}."""
    wanted = {name for part in MESSAGES[key] for _, name, _, _ in string.Formatter().parse(part) if name}
    assert wanted <= set(values), f"{key} lacks {wanted - set(values)}"


def test_there_are_many_nasty_files() -> None:
    assert len({n.file for n in FILES}) == len(FILES) >= 60

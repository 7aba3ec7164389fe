"""Every nasty file ends in a worded error or a clean import: no traceback, no hang, no lost rows."""

from __future__ import annotations

import string
import time
from pathlib import Path

import pytest

from core.base.errors import Problem, TaskFileError
from core.messages import MESSAGES
from core.tasks.cell_text import target_text
from core.tasks.reading.files import read_table
from core.tasks.reading.limits import MAX_RAW_CHARS
from core.tasks.reading.table import quote_row
from tests.tasks.nasty_files import FILES, Nasty

LEFT_OUT = {
    "file.ragged",
    "file.bad_json",
    "file.deep_json",
    "file.not_an_object",
    "file.giant_cell",
    "file.no_answer_turn",
}
MENDED = {"file.nul", "file.broken_bytes", "file.open_quote", "file.excel_error"}
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
            require_quoted(problem, table.format)
        for row in table.rows:
            assert tuple(row) == table.columns
            "".join(target_text(v) for v in row.values()).encode("utf-8")
    assert time.monotonic() - started < PATIENCE


def require_filled(key: str, values: dict[str, object]) -> None:
    """No wording may be left with an unfilled {name}."""
    wanted = {name for part in MESSAGES[key] for _, name, _, _ in string.Formatter().parse(part) if name}
    assert wanted <= set(values), f"{key} lacks {wanted - set(values)}"


def require_quoted(problem: Problem, format_name: str) -> None:
    """The row itself stands beside its line, on one short line without anything that does not print."""
    if problem.key in LEFT_OUT or (problem.key in MENDED and format_name != "json"):
        assert problem.raw
    assert len(problem.raw) <= 6 * MAX_RAW_CHARS
    assert all(c.isprintable() or c == "\u3000" for c in problem.raw)


def test_a_row_is_quoted_around_its_fault() -> None:
    assert quote_row("a,\x00b\tc\r\n") == "a,\\x00b\\tc"
    long = "x" * 5000 + "HERE" + "y" * 5000
    assert "HERE" in quote_row(long, 5000)
    assert quote_row(long, 5000).startswith("… x")
    assert quote_row(long).endswith("x …")
    assert quote_row(["a", None, "b" * 10**6, "c"]).endswith("… | c")
    assert quote_row({"文本": "好", "n": None}) == '{"文本": "好", "n": null}'


def test_there_are_many_nasty_files() -> None:
    assert len({n.file for n in FILES}) == len(FILES) >= 60

"""No cell that leaves is run by a spreadsheet, and every cell comes back as it was."""

from __future__ import annotations

import csv
import io

import pytest

from app.drawing.markup import to_csv
from core.base.formulas import guard, unguard

RUN = [
    "=1+1",
    "+x",
    "-x",
    "@sum",
    "\n=1",
    "\r\n=1",
    "\t=1",
    " =1",
    "\u3000=1",
    "＝1",
    "＋1",
    "－x",
    "＠x",
    "﹦1",
    "﹢1",
]
RUN += ["−x", "\ufeff=1", "\u200b=1", "\x00=1", "\u2060@x", "'=1", "''=1", "-1+1", "-٣"]
PLAIN = ["", "a=b", "-5", "+0.5", "-.5", "'quoted'", "1-2", "　text", "…"]


@pytest.mark.parametrize("text", RUN, ids=ascii)
def test_what_might_be_run_gets_a_mark(text: str) -> None:
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text
    assert next(csv.reader(io.StringIO(to_csv([text], []), newline=""))) == [f"'{text}"]


@pytest.mark.parametrize("text", PLAIN)
def test_what_cannot_be_run_stays(text: str) -> None:
    assert guard(text) == text == unguard(text)

"""What was written comes back: random tables through every format that can be written here."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.tasks.reading.files import read_table

COLUMNS = ("text", "answer", "label")
CELL = st.text(
    alphabet=st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffd\ufeff"), max_size=12
)
MARKS = st.text(alphabet=",;\t|\"' \nab你", max_size=8)
ROWS = st.lists(st.tuples(CELL, MARKS, st.sampled_from(["yes", "no"])), min_size=1, max_size=12)

Rows = list[tuple[str, str, str]]


def delimited(mark: str, quoting: int, ends: str) -> Callable[[Rows], bytes]:
    def write(rows: Rows) -> bytes:
        buffer = io.StringIO(newline="")
        csv.writer(buffer, delimiter=mark, quoting=quoting, lineterminator=ends).writerows([COLUMNS, *rows])
        return buffer.getvalue().encode()

    return write


def objects(rows: Rows) -> list[dict[str, str]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def jsonl(rows: Rows) -> bytes:
    return "\n".join(json.dumps(r, ensure_ascii=False) for r in objects(rows)).encode()


def sheet(rows: Rows) -> bytes:
    book = openpyxl.Workbook()
    for number, row in enumerate([COLUMNS, *rows], start=1):
        for column, value in enumerate(row, start=1):
            cell = book.active.cell(number, column)
            cell.value = value
            cell.data_type = "s"  # '=x' is text here, not a formula
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def parquet(rows: Rows) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(objects(rows)), buffer)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[Rows], bytes]] = {
    "minimal.csv": delimited(",", csv.QUOTE_MINIMAL, "\r\n"),
    "quoted.csv": delimited(",", csv.QUOTE_ALL, "\n"),
    "semicolons.csv": delimited(";", csv.QUOTE_ALL, "\n"),
    "tabs.tsv": delimited("\t", csv.QUOTE_MINIMAL, "\n"),
    "bars.txt": delimited("|", csv.QUOTE_ALL, "\n"),
    "packed.csv.gz": lambda rows: gzip.compress(delimited(",", csv.QUOTE_ALL, "\n")(rows)),
    "lines.jsonl": jsonl,
    "array.json": lambda rows: json.dumps(objects(rows), indent=1).encode(),
    "marked.json": lambda rows: b"\xef\xbb\xbf" + json.dumps({"data": objects(rows)}, ensure_ascii=False).encode(),
    "book.xlsx": sheet,
    "columns.parquet": parquet,
}


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
@example(rows=[("", "", "yes"), ("", " ", "yes"), ("", ", ", "yes")])  # written as `", "`: no quote behind a blank
@example(rows=[("", "", "yes"), ("", "  a", "no"), ("", '; "', "yes"), ("", ', "', "yes"), (" b", "\t ", "no")])
def test_round_trip(name: str, rows: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(WRITERS[name](rows))
        table = read_table(path)
    if table.doubts:  # cells of nothing but signs may be meant in two ways, and then both are shown
        return
    assert table.columns == COLUMNS
    found = [tuple("" if row[c] is None else row[c] for c in COLUMNS) for row in table.rows]
    assert found == rows
    assert not [p for p in table.problems if p.severity == "error"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030", "big5", "shift_jis"]
)
def test_text_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    sentences = {
        "big5": "今天我們去看電影，他說這個地方很好。",
        "shift_jis": "今日はとても天気がいいですね。映画を見ました。",
    }
    sentence = sentences.get(encoding, "今天我们去看电影，他说这个地方很好。")
    path = tmp_path / "t.csv"
    path.write_bytes(f"text,label\n{sentence},a\nplain english,b\n{sentence},a\n".encode(encoding))
    table = read_table(path)
    assert [r["text"] for r in table.rows] == [sentence, "plain english", sentence]


def test_lines_are_physical_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('text,label\n"one\ntwo\nthree",a\n\nplain,b\nbroken\n"x\ny",a\n', encoding="utf-8")
    table = read_table(path)
    assert table.lines == [2, 6, 8]
    assert [p.values["line"] for p in table.problems] == [7]
    path = tmp_path / "t.json"
    path.write_text('{"n": 1,\n "data": [\n {"a": "x",\n  "b": "y"},\n {"a": "z", "b": "w"}]}', encoding="utf-8")
    assert read_table(path).lines == [3, 5]

"""Files damaged at random: every read ends in a table or in a worded error, never in another exception."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from core.base.errors import TaskFileError
from core.tasks.changing.sample import SAMPLE_DIR
from core.tasks.guessing.roles import guess_roles
from core.tasks.reading.files import read_table

PIECES = (
    b'"',
    b"\0",
    b"\n",
    b"\r",
    b",",
    b"\t",
    b"{",
    b"[",
    b"\xff\xfe",
    b"\xe4\xbd",
    b"\\ud800",
    b"NaN",
    b"\x1f\x8b",
)
ROUNDS = 40
KINDS = ("xlsx", "csv", "json", "tsv", "jsonl", "parquet", "csv.gz")


def original(kind: str, folder: Path) -> bytes:
    if kind == "csv.gz":
        return gzip.compress((SAMPLE_DIR / "bank_requests.test.csv").read_bytes())
    if kind == "parquet":
        rows = read_table(SAMPLE_DIR / "bank_requests.test.csv").rows
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "x.parquet")
        return (folder / "x.parquet").read_bytes()
    return next(SAMPLE_DIR.glob(f"*.test.{kind}")).read_bytes()


def damaged(data: bytes, rng: random.Random) -> bytes:
    mess = bytearray(data)
    way = rng.randrange(4)
    for _ in range(rng.choice((1, 1, 3, 20, 200))):
        place = rng.randrange(len(mess))
        if way == 0:
            mess[place] = rng.randrange(256)
        elif way == 1:
            mess[place:place] = rng.choice(PIECES)
        elif way == 2 and len(mess) > 100:
            del mess[place : place + rng.randrange(50)]
        else:
            mess[place : place + 1] = mess[place : place + rng.randrange(1, 100)] * 2
    return bytes(mess[: rng.randrange(1, len(mess))] if rng.random() < 0.1 else mess)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: str, tmp_path: Path) -> None:
    data = original(kind, tmp_path)
    rng = random.Random(f"damage {kind}")
    path = tmp_path / f"x.{kind}"
    read = 0
    hints: list[str] = []
    for _ in range(ROUNDS):
        path.write_bytes(damaged(data, rng))
        try:
            table = read_table(path)
            assert table.rows
            read += 1
            guess_roles(table)
        except TaskFileError as error:
            hints.append(error.hint)
    assert all(hints)
    assert read or kind in ("xlsx", "csv.gz", "parquet", "json")


def test_more_rows_than_the_limit_are_refused_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "hello,a\n" * 30, encoding="utf-8")
    monkeypatch.setattr("core.tasks.reading.readings.MAX_ROWS", 30)
    assert len(read_table(path).rows) == 30
    monkeypatch.setattr("core.tasks.reading.readings.MAX_ROWS", 29)
    with pytest.raises(TaskFileError, match="the limit is 29"):
        read_table(path)

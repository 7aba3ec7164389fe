"""Messy files are read truly: every fact about them is held, and how many hold is a figure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.tasks.reading.files import read_table
from tests.tasks.messy_facts import JUDGES, MESSY, judge_facts, read_facts

pytestmark = pytest.mark.skipif(not MESSY.is_dir(), reason="the messy files are not beside this checkout")

LEAST_SHARE = 0.97
LEAST_SENTENCES = 36  # of 38


def test_at_least_97_of_100_facts_hold() -> None:
    judged = judge_facts()
    total = sum(count for count, _ in judged.values())
    wrong = [fact for _, some in judged.values() for fact in some]
    for area, (count, some) in judged.items():
        print(f"{area}: {count - len(some)} of {count}")
    assert total - len(wrong) >= LEAST_SHARE * total, wrong
    assert all(len(some) <= 0.1 * count for count, some in judged.values()), wrong


def test_every_fact_is_about_a_file_that_is_there() -> None:
    for fact in read_facts():
        assert fact.name in JUDGES
        assert (MESSY / fact.file).is_file(), fact.file


def test_every_kind_of_delimited_file_has_facts() -> None:
    folders = {fact.file.partition("/")[0] for fact in read_facts()}
    about = {"09", "13", "15", "17", "18"}
    assert about <= {folder[:2] for folder in folders}


@pytest.mark.parametrize("num_rows", [2, 60])
def test_sentences_in_thirty_languages_are_read_in_their_encoding(num_rows: int, tmp_path: Path) -> None:
    sentences = json.loads((MESSY / "encodings.json").read_text(encoding="utf-8"))
    wrong = []
    for name, (encoding, text) in sentences.items():
        path = tmp_path / f"{name}.csv"
        rows = "".join(f'"{text}",{"ab"[number % 2]}\r\n' for number in range(num_rows))
        path.write_bytes(f"text,label\r\n{rows}".encode(encoding))
        table = read_table(path)
        if {row["text"] for row in table.rows} != {text} or len(table.rows) != num_rows:
            wrong.append((name, table.encoding))
    assert len(sentences) - len(wrong) >= LEAST_SENTENCES, wrong


def test_the_table_in_the_documentation_names_every_folder() -> None:
    text = (Path(__file__).resolve().parents[2] / "assets" / "docs" / "reading.md").read_text(encoding="utf-8")
    for folder in {fact.file.partition("/")[0] for fact in read_facts()}:
        assert f"| {folder} |" in text

"""JSON and parquet as other programs write them: every row used, or what is left named."""

from __future__ import annotations

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from core.tasks.reading.files import read_table
from core.tasks.reading.table import Table
from tests.tasks.forms import pairs, roles, save, told

# --- where the rows are
ROWS = [{"text": q, "label": "ab"[i % 2]} for i, (q, _) in enumerate(pairs())]


def test_named_splits_are_all_used(tmp_path: Path) -> None:
    for name, value in (
        ("plain", {"train": ROWS, "test": ROWS[:2], "validation": ROWS[:1]}),
        (
            "ids",
            {
                s: {str(i): r for i, r in enumerate(rows)}
                for s, rows in (("train", ROWS), ("test", ROWS[:2]), ("val", ROWS[:1]))
            },
        ),
        ("inside", {"version": 1, "data": {"train": ROWS, "test": ROWS[:2], "dev": ROWS[:1]}}),
        (
            "lists",
            {
                s: {k: [r[k] for r in rows] for k in ("text", "label")}
                for s, rows in (("train", ROWS), ("test", ROWS[:2]), ("val", ROWS[:1]))
            },
        ),
        (
            "cells",
            {
                "train": [list(r.values()) for r in ROWS],
                "test": [list(r.values()) for r in ROWS[:2]],
                "val": [list(ROWS[0].values())],
            },
        ),
    ):
        table = read_table(save(tmp_path / f"{name}.json", value))
        assert [row["split"] for row in table.rows].count("test") == 2, name
        assert (len(table.rows), table.split_column) == (9, "split"), name
        assert table.lines, name


def test_arrays_of_the_same_columns_are_read_together_and_others_named(tmp_path: Path) -> None:
    table = read_table(save(tmp_path / "a.json", {"mail": ROWS, "calls": ROWS[:2], "staff": [{"name": "Ada"}]}))
    assert (len(table.rows), [r["part"] for r in table.rows][-1], table.split_column) == (8, "calls", "")
    assert told(table)["file.lists_left"]["lists"] == "staff (1)"


def test_tables_in_parts_as_pandas_writes_them(tmp_path: Path) -> None:
    split = {"columns": ["text", "label"], "index": [0, 1], "data": [["one text", "a"], ["two text", "b"]]}
    columns = {"text": {"0": "one text", "1": "two text"}, "label": {"0": "a", "1": "b"}}
    records = {
        "schema": {"fields": [{"name": "text"}]},
        "data": [{"text": "one text", "label": "a"}, {"text": "two text", "label": "b"}],
    }
    for name, value in (("split", split), ("columns", columns), ("table", records)):
        table = read_table(save(tmp_path / f"{name}.json", value))
        assert table.rows == records["data"], name


def test_texts_by_their_label(tmp_path: Path) -> None:
    table = read_table(
        save(tmp_path / "a.json", {"greet": ["hello", "good day", "hi"], "leave": ["bye", "see you"]})
    )
    assert table.rows[3] == {"text": "bye", "label": "leave"}
    assert "file.texts_by_label" in told(table)
    equal = read_table(save(tmp_path / "b.json", {"greet": ["hello", "hi"], "leave": ["bye", "see you"]}))
    assert "file.lists_as_columns" in told(equal)  # it cannot be known, so it is said


def test_rows_that_are_lists(tmp_path: Path) -> None:
    rows = [["text", "label"], *([q, "ab"[i % 2]] for i, (q, _) in enumerate(pairs()))]
    for name in ("a.json", "a.jsonl"):
        table = read_table(save(tmp_path / name, rows))
        assert (table.columns, len(table.rows)) == (("text", "label"), 6)
    assert read_table(save(tmp_path / "b.json", rows[1:])).columns == ("column_1", "column_2")
    table = read_table(save(tmp_path / "c.json", [*rows[:3], ["a", "b", "c"]]))
    assert len(table.rows) in (2, 3)


def test_keys_that_come_twice_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "one thing", "label": "a", "label": "x"}\n' * 3 + '{"text": "two", "label": "b"}\n',
        encoding="utf-8",
    )
    table = read_table(path)
    assert table.rows[0] == {"text": "one thing", "label": "a", "label_2": "x"}
    assert told(table)["file.key_twice"] == {"file": "a.jsonl", "name": "label", "new_name": "label_2", "count": 3}


def test_a_value_that_is_sometimes_an_object(tmp_path: Path) -> None:
    table = read_table(
        save(tmp_path / "a.jsonl", [{"text": {"body": "one"}, "label": 1}, {"text": "two", "label": "1"}])
    )
    assert [row["text"] for row in table.rows] == ["one", "two"]
    assert told(table)["file.mixed_shapes"]["inner"] == "text.body"
    both = read_table(
        save(
            tmp_path / "b.jsonl", [{"text": {"body": "one", "title": "t"}, "label": 1}, {"text": "two", "label": 2}]
        )
    )
    assert set(both.columns) == {"text.body", "text.title", "text", "label"}


def test_python_instead_of_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(f"{ {'text': q, 'n': 1, 'label': None if i else 'a'} }\n" for i, (q, _) in enumerate(pairs())),
        encoding="utf-8",
    )
    table = read_table(path)
    assert table.rows[0] == {"text": pairs()[0][0], "n": "1", "label": "a"}
    assert told(table)["file.python_values"]["count"] == 6


# --- parquet
def parquet(path: Path, table: pyarrow.Table) -> Table:
    pyarrow.parquet.write_table(table, path)
    return read_table(path)


def test_types_of_parquet(tmp_path: Path) -> None:
    day = datetime.datetime(2024, 3, 5)
    columns = {
        "half": pyarrow.array([0.1, None], pyarrow.float32()),
        "list": pyarrow.array([[0.1, 0.2], []], pyarrow.list_(pyarrow.float32())),
        "day": pyarrow.array([day, day], pyarrow.timestamp("ns")),
        "at": pyarrow.array([day, day.replace(hour=9)], pyarrow.timestamp("ms")),
        "zone": pyarrow.array([day, day], pyarrow.timestamp("us", tz="Europe/Berlin")),
        "date": pyarrow.array([day.date(), None], pyarrow.date32()),
        "worked": pyarrow.array([datetime.timedelta(hours=26, minutes=30)] * 2, pyarrow.duration("ns")),
        "kind": pyarrow.array(["a", "b"]).dictionary_encode(),
        "map": pyarrow.array([[("x", "1"), ("y", "2")], []], pyarrow.map_(pyarrow.string(), pyarrow.string())),
        "who": pyarrow.array(
            [{"name": "Ada", "age": 36}, None],
            pyarrow.struct([("name", pyarrow.string()), ("age", pyarrow.int8())]),
        ),
        "price": pyarrow.array([decimal.Decimal("1.50"), decimal.Decimal("3.00")]),
        "blob": pyarrow.array([b"\xff\xd8", b"text"]),
        "nothing": pyarrow.nulls(2),
    }
    table = parquet(tmp_path / "a.parquet", pyarrow.table(columns))
    assert table.rows[0] == {
        "half": 0.1,
        "list": [0.1, 0.2],
        "day": "2024-03-05",
        "at": "2024-03-05 00:00:00",
        "zone": "2024-03-05 01:00:00+01:00",
        "date": "2024-03-05",
        "worked": "26:30:00",
        "kind": "a",
        "map": "x: 1, y: 2",
        "who.name": "Ada",
        "who.age": 36,
        "price": "1.50",
        "blob": None,
        "nothing": None,
        "who": None,
    }
    assert {"file.no_clock", "file.binary_cells"} <= set(told(table))


def test_columns_of_one_name_and_an_index(tmp_path: Path) -> None:
    arrays = [
        pyarrow.array(["t one", "t two"]),
        pyarrow.array(["a", "b"]),
        pyarrow.array(["x", "y"]),
        pyarrow.array([0, 1]),
    ]
    table = parquet(
        tmp_path / "a.parquet", pyarrow.Table.from_arrays(arrays, ["text", "label", "label", "__index_level_0__"])
    )
    assert table.columns == ("text", "label", "label_2")
    assert {"file.duplicate_header", "file.pandas_index"} == set(told(table))


def test_names_of_classes(tmp_path: Path) -> None:
    features = {
        "label": {"names": ["bad", "good"], "_type": "ClassLabel"},
        "ner": {"feature": {"names": ["O", "B-T"], "_type": "ClassLabel"}, "_type": "Sequence"},
    }
    table = pyarrow.table({"tokens": [["a", "door"]] * 2, "ner": [[0, 1]] * 2, "label": [1, 0]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    found = parquet(tmp_path / "a.parquet", table)
    assert [row["label"] for row in found.rows] == ["good", "bad"]
    assert found.rows[0]["entities"] == ["T: door"]


# --- the examples of our own making
@pytest.mark.parametrize(
    ("file", "rows", "roles_of", "key"),
    [
        ("10-conversation-roles/tools_late.jsonl", 80, (("history", "user"), ("assistant",)), "form.other_roles"),
        ("10-conversation-roles/tools_one.json", 60, (("history", "user"), ("assistant",)), "form.other_roles"),
        (
            "11-conversation-forms/alpaca_history.json",
            60,
            (("history", "instruction"), ("output",)),
            "form.history",
        ),
        ("11-conversation-forms/preference.jsonl", 60, (("user",), ("assistant",)), "form.preference"),
        (
            "11-conversation-forms/prompt_completion.jsonl",
            60,
            (("user",), ("assistant",)),
            "form.prompt_completion",
        ),
        ("11-conversation-forms/raw_text.jsonl", 60, (("user",), ("assistant",)), "form.marked_text"),
        ("11-conversation-forms/turns_text.jsonl", 60, (("user",), ("assistant",)), "form.conversation"),
        ("21-parquet-types/duplicate.parquet", 80, (("text",), ("label",)), "file.duplicate_header"),
        ("21-parquet-types/pandas_index.parquet", 80, (("text",), ("label",)), "file.pandas_index"),
        ("21-parquet-types/ts_ns.parquet", 80, (("text",), ("day",)), "file.no_clock"),
        ("25-json-shapes/doccano.jsonl", 60, (("text",), ("label",)), "form.spans"),
        ("25-json-shapes/dup_keys.jsonl", 60, (("text",), ("label",)), "file.key_twice"),
        ("25-json-shapes/lists.json", 60, (("column_1",), ("column_2",)), ""),
        ("25-json-shapes/mixed_types.jsonl", 60, (("text",), ("label",)), "file.mixed_shapes"),
        ("25-json-shapes/single_quotes.jsonl", 30, (("text",), ("label",)), "file.python_values"),
        ("25-json-shapes/splits.json", 80, (("text",), ("label",)), "file.split_parts"),
        ("25-json-shapes/squad.json", 120, (("context", "question"), ("answer",)), "form.squad"),
    ],
)
def test_the_examples(messy: Path, file: str, rows: int, roles_of: Any, key: str) -> None:
    table = read_table(messy / file)
    assert (len(table.rows), roles(table)) == (rows, roles_of)
    assert not key or key in told(table)


def test_narrow_floats_of_the_examples(messy: Path) -> None:
    assert read_table(messy / "21-parquet-types/float32.parquet").rows[0]["score"] == 0.1
    assert read_table(messy / "21-parquet-types/float32_many.parquet").rows[0]["value"] == 505.94

"""A task that leaves comes back as the same task: rows as a CSV file, a whole project as a pack."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from core.base.errors import TaskFileError
from core.base.formulas import guard, unguard
from core.tasks.changing.add_task import add_task, update_task
from core.tasks.changing.archive import export_project, import_project
from core.tasks.changing.describing import TaskRequest, kept_settings
from core.tasks.changing.exporting import export_rows
from core.tasks.changing.preview import preview_file
from core.tasks.changing.versions import read_all_rows
from core.tasks.spec import SplitSettings, TaskSpec
from core.tasks.store import get_task, read_problems, task_dir
from core.workspace import Project, Workspace

SIGNS = st.sampled_from(
    [
        *"=-+@",
        "=1+1",
        "+1",
        "-1",
        "@home",
        "\t=x",
        "\n=x",
        "\r@",
        "＝１",
        "＋a",
        "－1",
        "＠x",
        "'=x",
        "''-1",
        "'",
        "'a",
    ]
    + [
        " =x",
        "'-1",
        "-1,5",
        "+49 170",
        '"',
        '""',
        'a"b',
        ";",
        ",",
        "|",
        "\u2028x",
        "\x0b",
        "\x00y",
        "\ufeffz",
        " lead",
    ]
    + [
        "trail ",
        "a\nb",
        "a\r\nb",
        "a\rb",
        "NULL",
        "none",
        "None",
        "nan",
        "TRUE",
        "007",
        "1.0",
        "1e5",
        "[]",
        "['a']",
    ]
)
TEXT = st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=10) | SIGNS
PLAIN = st.one_of(
    TEXT,
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.lists(TEXT | st.integers(0, 9), max_size=3),
    st.dictionaries(st.text("ab", min_size=1, max_size=3), TEXT, max_size=2),
)
NAMES = st.lists(
    st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=6)
    | st.sampled_from(["split", "line", "=x", "-1", "taskloom", "a b", "a,b", "'q", "text", "label"]),
    min_size=2,
    max_size=4,
    unique_by=lambda name: name.casefold(),
)
KINDS = [
    ("classification", "accuracy"),
    ("multilabel", "micro_f1"),
    ("extraction", "entity_f1"),
    ("question_answering", "token_f1"),
    ("generation", "rouge_l"),
    ("number", "number_match"),
]


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[Any]) -> list[dict[str, Any]]:
    names = draw(NAMES)
    rows = draw(st.lists(st.tuples(*(cell for _ in names)), min_size=3, max_size=8))
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for number, row in enumerate(found):  # enough to train on
        row[names[0]], row[names[-1]] = f"{row[names[0]]}{number}", row[names[-1]] or "x"
    return found


def rows_of(project: Project, spec: TaskSpec) -> list[tuple[str, int, str]]:
    """Every row with the kinds of its values: 1 is not "1", and nothing is not empty."""
    folder = task_dir(project, spec.task_id)
    return [(r.split, r.line, json.dumps(r.row, ensure_ascii=False)) for r in read_all_rows(folder)]


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(json.dumps(r, ensure_ascii=False) for r in rows).encode()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([list(rows[0]), *(row.values() for row in rows)])
    return buffer.getvalue().encode()


def as_xlsx(rows: list[dict[str, Any]]) -> bytes:
    book = openpyxl.Workbook()
    for number, row in enumerate([list(rows[0]), *(list(row.values()) for row in rows)], start=1):
        for column, value in enumerate(row, start=1):
            assume(not ILLEGAL_CHARACTERS_RE.search(value))
            cell = book.active.cell(number, column)
            cell.value = value
            cell.data_type = "s"  # '=x' is text here, not a formula
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


WRITERS = {"jsonl": as_jsonl, "csv": as_csv, "xlsx": as_xlsx, "parquet": as_parquet}


def come_back(rows: list[dict[str, Any]], kind: tuple[str, str], ending: str = "jsonl") -> None:
    """Adds the rows, exports them, adds the export, and compares."""
    with tempfile.TemporaryDirectory() as folder:
        project = Workspace(Path(folder) / "w").create_project("Demo")
        path = Path(folder) / f"task.{ending}"
        path.write_bytes(WRITERS[ending](rows))
        request = TaskRequest(split=SplitSettings(0.2, 0.2), kind=kind[0], metric=kind[1])
        try:
            first = preview_file(path).columns
            spec = add_task(project, path, replace(request, inputs=first[:1], targets=first[-1:]))
        except TaskFileError:  # refused, such as for control characters: no task, so nothing to export
            assume(False)
        out = Path(folder) / "again.csv"
        out.write_bytes(export_rows(project, spec.task_id))
        again = add_task(project, out)
        assert again.columns == spec.columns
        assert rows_of(project, again) == rows_of(project, spec)
        assert kept_settings(again) == kept_settings(spec)
        assert again.labels == spec.labels
        out.write_bytes(export_rows(project, again.task_id))
        assert rows_of(project, add_task(project, out, TaskRequest(name="third"))) == rows_of(project, spec)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(PLAIN), kind=st.sampled_from(KINDS))
def test_rows_of_any_values_come_back(rows: list[dict[str, Any]], kind: tuple[str, str]) -> None:
    come_back(rows, kind)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(rows=tables(TEXT), kind=st.sampled_from(KINDS))
def test_rows_of_texts_come_back(ending: str, rows: list[dict[str, Any]], kind: tuple[str, str]) -> None:
    come_back(rows, kind, ending)


NUMBERS = [st.integers(-(2**40), 2**40), st.booleans(), st.floats(-1e9, 1e9, allow_nan=False, width=32)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    texts=st.lists(TEXT, min_size=4, max_size=6),
    numbers=st.one_of([st.lists(st.none() | kind, min_size=6, max_size=6) for kind in NUMBERS]),
    lists=st.lists(st.lists(TEXT, max_size=3), min_size=6, max_size=6),
)
def test_typed_columns_of_a_parquet_file_come_back(
    texts: list[str], numbers: list[Any], lists: list[list[str]]
) -> None:
    rows = [
        {"text": f"{text}{i}", "number": number, "labels": some}
        for i, (text, number, some) in enumerate(zip(texts, numbers, lists, strict=False))
    ]
    come_back(rows, ("multilabel", "micro_f1"), "parquet")


@settings(max_examples=300, deadline=None)
@given(text=TEXT)
def test_the_guard_is_undone(text: str) -> None:
    assert unguard(guard(text)) == text
    shown = guard(text).lstrip(" \u3000\ufeff")
    assert not shown.startswith(("=", "@", "＝", "＠", "＋", "－", "\t", "\r", "\n"))


def test_messy_signs_come_back(project: Project, shared_tasks: Path, tmp_path: Path) -> None:
    """Answers -1, +1, =, @home and texts that start with - or =; also in a file that an older version wrote."""
    folder = shared_tasks.parent / "messy" / "20-export-round-trip"
    spec = add_task(project, folder / "signs.csv")
    out = tmp_path / "out.csv"
    out.write_bytes(export_rows(project, spec.task_id))
    assert rows_of(project, add_task(project, out, TaskRequest(name="again"))) == rows_of(project, spec)
    older = add_task(project, folder / "out.csv", TaskRequest(name="older"))
    assert older.columns == ("text", "label")
    assert set(older.labels) == {"-1", "+1", "=", "@home", "0"}
    assert "file.own_export" in [p.key for p in read_problems(project, "older")]


def test_settings_come_back_and_what_is_said_by_hand_wins(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"q{i} so it is,{i % 3},{i % 2}\n" for i in range(40))
    path.write_text("text,label,weight\n" + rows, encoding="utf-8")
    spec = add_task(project, path, TaskRequest(inputs=("text",), targets=("label",)))
    changes = {
        "label_names": {"0": "none at all", "1": "=one", "2": "two"},
        "system": "Be brief.",
        "instruction": "Say, please: which?",
        "templates": ("{instruction} {text}",),
        "weight": "weight",
        "metric": "macro_f1",
    }
    spec = update_task(project, spec.task_id, changes)
    out = tmp_path / "again.csv"
    out.write_bytes(export_rows(project, spec.task_id))
    again = add_task(project, out)
    assert kept_settings(again) == kept_settings(spec)
    assert again.num_examples == spec.num_examples
    other = add_task(
        project, out, TaskRequest(name="other", metric="accuracy", inputs=("label",), targets=("text",))
    )
    assert (other.inputs, other.metric, other.system) == (("label",), "accuracy", "")


def test_a_cell_changed_in_a_spreadsheet_counts(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [{"text": f"text number {i}", "tags": ["a", "b"] if i % 2 else ["c"]} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    spec = add_task(project, path, TaskRequest(inputs=("text",), targets=("tags",)))
    cells = list(csv.reader(io.StringIO(export_rows(project, spec.task_id).decode("utf-8-sig"), newline="")))
    place = cells[0].index("tags")
    assert {row[place] for row in cells[1:]} == {"a; b", "c"}
    cells[1][place] = "d; e"
    for mark in (",", ";", "\t"):  # as spreadsheets of several countries save it
        buffer = io.StringIO(newline="")
        csv.writer(buffer, delimiter=mark).writerows(cells)
        out = tmp_path / "changed.csv"
        out.write_bytes(b"\xef\xbb\xbf" + buffer.getvalue().encode())
        again = add_task(project, out, TaskRequest(name=f"mark {ord(mark)}"))
        found = [r.row["tags"] for r in read_all_rows(task_dir(project, again.task_id))]
        assert found[0] == "d; e"
        assert all(value in (["a", "b"], ["c"]) for value in found[1:])


@pytest.mark.parametrize(
    "text",
    [
        "split,line,text,label\ntrain,1,a,b\nmaybe,2,c,d\n",
        "split,line,text,label\ntrain,one,a,b\ntrain,2,c,d\n",
        "split,line\ntrain,1\ntest,2\n",
        'split,line,text,taskloom\ntrain,1,a,"[1]"\ntrain,2,b,\n',
        "split,line,text,label\ntrain,1,a\ntrain,2,c,d\n",
    ],
)
def test_a_file_of_somebody_else_is_read_as_any_other(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8-sig")
    assert "file.own_export" not in [p.key for p in preview_file(path).problems]


def test_a_damaged_note_of_settings_is_left_aside(project: Project, tmp_path: Path) -> None:
    rows = [("train", n, f"text {n}", "ab"[n % 2], "") for n in range(2, 40)]
    for number, note in enumerate(('{"": {"inputs": 3}}', '{"": {"kind": "evil"}}', '{"": []}', '{"": {}}')):
        buffer = io.StringIO(newline="")
        rows[0] = (*rows[0][:4], note)
        csv.writer(buffer).writerows([("split", "line", "text", "label", "taskloom"), *rows])
        path = tmp_path / f"t{number}.csv"
        path.write_bytes(b"\xef\xbb\xbf" + buffer.getvalue().encode())
        spec = add_task(project, path)
        assert (spec.inputs, spec.targets, spec.kind) == (("text",), ("label",), "classification")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=tables(PLAIN), kind=st.sampled_from(KINDS))
def test_a_project_comes_back_from_its_pack(rows: list[dict[str, Any]], kind: tuple[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "w")
        project = workspace.create_project("Demo")
        path = Path(folder) / "t.jsonl"
        path.write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
        first = preview_file(path).columns
        request = TaskRequest(inputs=first[:1], targets=first[-1:], kind=kind[0], metric=kind[1])
        try:
            spec = add_task(project, path, request)
        except TaskFileError:
            assume(False)
        update_task(project, spec.task_id, {"instruction": "Another one."})
        pack = export_project(project, Path(folder) / "p.zip")
        opened = import_project(workspace, pack, "")
        old, new = get_task(project, spec.task_id), get_task(opened, spec.task_id)
        assert asdict(new) == asdict(old)
        files = [p.relative_to(project.tasks_dir) for p in project.tasks_dir.rglob("*") if p.is_file()]
        for name in files:
            assert (opened.tasks_dir / name).read_bytes() == (project.tasks_dir / name).read_bytes()
        assert len(files) >= 9  # the rows of both versions too

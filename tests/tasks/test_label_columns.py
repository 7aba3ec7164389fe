"""Labels in columns of their own, and questions about the kind of a task."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.__main__ import main
from core.base.errors import SettingError
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.domain import add_files
from core.tasks.changing.editing import add_correction
from core.tasks.changing.exporting import export_rows
from core.tasks.changing.preview import preview_file
from core.tasks.changing.settling import settle_doubt
from core.tasks.dataset import load_dataset_of, render_target, target_cells
from core.tasks.label_columns import column_labels, column_marks, read_columns, write_columns
from core.tasks.reading.files import read_table
from core.tasks.spec import TaskSpec
from core.tasks.store import get_task, read_doubts
from core.workspace import Project, Workspace
from tests.tasks.made_tables import texts

TEXTS = texts("en")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Workspace(tmp_path / "home").create_project("Desk")


def write(path: Path, head: Sequence[str], columns: Sequence[Sequence[Any]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *zip(TEXTS, *columns, strict=True)])
    return path


def spread(words: Sequence[Any], step: int = 1) -> list[Any]:
    return [words[i // step % len(words)] for i in range(len(TEXTS))]


def answers(project: Project) -> set[str]:
    data = load_dataset_of(project)
    return {e.target for split in ("train", "validation", "test") for e in data.split(0, split)}


def test_columns_of_yes_and_no_are_several_labels(project: Project, tmp_path: Path) -> None:
    columns = [spread([1, 0]), spread([0, 1], 2), spread([0, 0, 1])]
    path = write(tmp_path / "a.csv", ["text", "is_toxic", "is_insult", "is_threat"], columns)
    spec = add_task(project, path)
    assert (spec.inputs, spec.kind, spec.metric) == (("text",), "multilabel", "micro_f1")
    assert spec.targets == ("is_toxic", "is_insult", "is_threat")
    assert {"none", "toxic", "insult", "toxic; insult", "toxic; insult; threat"} <= answers(project)


def test_one_of_the_columns_a_row_is_one_label(project: Project, tmp_path: Path) -> None:
    columns = [[x if i % 3 == n else "" for i in range(len(TEXTS))] for n, x in enumerate("xxx")]
    spec = add_task(project, write(tmp_path / "a.csv", ["Text", "Lärm", "Geruch", "Staub"], columns))
    assert (spec.inputs, spec.kind, spec.labels) == (("Text",), "classification", ("Geruch", "Lärm", "Staub"))


def test_labels_in_columns_survive_an_export(project: Project, tmp_path: Path) -> None:
    columns = [spread([1, 0]), spread([0, 1], 2), spread([0, 0, 1])]
    spec = add_task(project, write(tmp_path / "a.csv", ["text", "a", "b", "c"], columns))
    before = load_dataset_of(project).examples
    (tmp_path / "back.csv").write_bytes(export_rows(project, spec.task_id))
    other = Workspace(tmp_path / "other").create_project("Desk")
    back = add_task(other, tmp_path / "back.csv")
    assert (back.targets, back.label_marks, back.kind) == (spec.targets, spec.label_marks, spec.kind)
    assert load_dataset_of(other).examples == before


def test_two_such_columns_are_asked_about(project: Project, tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", ["text", "spam", "phishing"], [spread(["yes", "no"]), spread(["no", "yes"], 2)]
    )
    task_id = add_files(project, [path], isolated=False).added[0].task_id
    (doubt,) = read_doubts(project, task_id)
    assert (doubt.taken.targets, doubt.other.targets) == (("spam", "phishing"), ("phishing",))
    spec = settle_doubt(project, task_id, doubt, other=True)
    assert (spec.targets, spec.kind, spec.labels) == (("phishing",), "classification", ("no", "yes"))


def test_a_column_called_the_answer_is_no_label_among_others(tmp_path: Path) -> None:
    flags = [spread([1, 0]), spread([0, 1], 2), spread(["good", "bad", "fair"])]
    guess = preview_file(write(tmp_path / "a.csv", ["text", "has_photo", "is_reply", "label"], flags)).guess
    assert guess is not None
    assert (guess.targets, guess.kind) == (("label",), "classification")


def test_a_cell_that_says_neither_leaves_the_row_without_an_answer() -> None:
    columns = ("a", "b")
    assert read_columns(columns, {"a": 1, "b": 0}, "columns", {}) == "a"
    assert read_columns(columns, {"a": -1, "b": -1}, "columns", {}) == ""
    assert read_columns(columns, {"a": None, "b": ""}, "columns", {}) == ""
    assert read_columns(columns, {"a": None, "b": ""}, "ticks", {}) == "none"
    assert column_labels(("topic_sport", "topic_money")) == ("sport", "money")
    assert column_marks([[1, 0], [0, 1]]) == "columns"
    assert column_marks([["x", ""], ["", "x"]]) == "ticks"
    assert column_marks([["x", "y"], ["", "maybe"]]) == ""


NAMED = {"a": "anger", "b": "boredom", "c": "anger", "d": "a"}


@pytest.mark.parametrize("marks", ["columns", "ticks"])
@pytest.mark.parametrize("names", [{}, {"a": "anger"}, NAMED], ids=["none", "one", "shared"])
def test_what_is_written_into_columns_is_read_from_them(marks: str, names: dict[str, str]) -> None:
    columns = ("is_a", "is_b", "is_c", "is_d")
    for held in itertools.product([False, True], repeat=4):
        row = {column: "yes" if holds else "" for column, holds in zip(columns, held, strict=True)}
        row["is_a"] = row["is_a"] or "no"  # a row of empty cells has no answer
        answer = read_columns(columns, row, "columns", names)
        written = write_columns(columns, answer, marks, names)
        assert read_columns(columns, written, marks, names) == answer
    with pytest.raises(ValueError, match=r"^e$"):
        write_columns(columns, "e", marks, names)


@pytest.mark.parametrize(
    ("kind", "marks", "answer"),
    [
        ("classification", ";", "1"),
        ("classification", ";", "happy"),
        ("multilabel", ";", "happy; 1; none of these"),
        ("multilabel", "[]", "1; happy"),
        ("multilabel", "columns", "happy; 1"),
    ],
)
def test_an_answer_in_names_is_read_as_it_was_written(kind: str, marks: str, answer: str) -> None:
    targets = ("0", "1") if marks == "columns" else ("label",)
    names = {"0": "1", "1": "happy", "2": "0"} if marks != "columns" else {"0": "happy", "1": "1"}
    how = {"instruction": "", "template": "", "metric": "exact_match", "kind": kind, "label_marks": marks}
    spec = TaskSpec("t", "t", ("text",), targets, **how, label_names=names)
    assert render_target(spec, target_cells(spec, answer)) == answer


def test_a_correction_ticks_the_columns(project: Project, tmp_path: Path) -> None:
    columns = [spread([1, 0]), spread([0, 1], 2), spread([0, 0, 1])]
    spec = add_task(project, write(tmp_path / "a.csv", ["text", "a", "b", "c"], columns))
    assert write_columns(spec.targets, "a; c", "columns", {}) == {"a": "1", "b": "0", "c": "1"}
    with pytest.raises(SettingError, match="no label 'd'"):
        target_cells(spec, "a; d")
    add_correction(project, spec.task_id, {"text": "A new one"}, "none")
    last = load_dataset_of(project).split(0, "train")[-1]
    assert ("A new one" in last.prompt, last.target) == (True, "none")


KINDS = {
    "few labels": ([f"queue {i % 25}" for i in range(60)], "queue", "kind_labels", "generation", "classification"),
    "one or several": (
        spread(["Sales, North", "Sales, South", "Support, North", "Support, South"]),
        "team",
        "kind_several",
        "multilabel",
        "classification",
    ),
    "grades": ([i % 13 + 1 for i in range(60)], "level", "kind_number", "classification", "number"),
}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_close_kind_is_asked_about_and_settled(project: Project, tmp_path: Path, name: str) -> None:
    cells, column, about, taken, other = KINDS[name]
    path = write(tmp_path / "a.csv", ["text", column], [cells])
    task_id = add_files(project, [path], isolated=False).added[0].task_id
    doubt = next(d for d in read_doubts(project, task_id) if d.about == about)
    assert (doubt.taken.kind, doubt.other.kind, get_task(project, task_id).kind) == (taken, other, taken)
    spec = settle_doubt(project, task_id, doubt, other=True)
    assert (spec.kind, read_doubts(project, task_id)) == (other, [])
    assert answers(project) == {str(cell) for cell in cells}
    given = add_task(project, path, TaskRequest(name="given", kind=other))
    assert (given.kind, read_doubts(project, given.task_id)) == (other, [])


def test_the_command_line_asks_about_the_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.csv", ["text", "team"], [KINDS["one or several"][0]])
    assert main(["task", "preview", str(path)]) == 0
    said = capsys.readouterr().out
    assert "may hold one label, or several" in said
    assert "--kind classification" in said


def test_codes_are_an_answer_where_there_is_nothing_else(tmp_path: Path) -> None:
    numbers = [f"PN-{i * 7919 % 100_000:05}" for i in range(len(TEXTS))]
    found = preview_file(write(tmp_path / "a.csv", ["query", "part number"], [numbers]))
    assert found.guess is not None
    assert (found.guess.inputs, found.guess.targets) == (("query",), ("part number",))
    assert [d.about for d in found.doubts] == ["roles"]
    running = preview_file(write(tmp_path / "b.csv", ["text", "id"], [list(range(len(TEXTS)))]))
    assert running.guess is None


def test_the_nothing_of_a_database_is_no_label(tmp_path: Path) -> None:
    rows = "".join(f"{i}\t{TEXTS[i]}\t{'YN'[i % 2] if i % 4 else chr(92) + 'N'}\n" for i in range(24))
    (tmp_path / "dump.tsv").write_text(f"id\tbody\tflag\n{rows}", encoding="utf-8")
    table = read_table(tmp_path / "dump.tsv")
    assert {row["flag"] for row in table.rows} == {"", "Y", "N"}
    told = next(p for p in table.problems if p.key == "reading.nulls")
    assert told.values["count"] == 6

"""Adding, changing and removing tasks: what lands on disk, and that a failure leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import SettingError, TaskFileError, TaskloomError, WorkspaceError
from core.base.records import from_record
from core.tasks.changing.add_task import add_task, update_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.preview import preview_file
from core.tasks.changing.staging import stem_of
from core.tasks.dataset import load_dataset_of, load_saved_dataset, save_dataset
from core.tasks.spec import SplitSettings, TaskSpec
from core.tasks.store import annotation_path, get_task, list_tasks, read_problems, read_rows, remove_task, task_dir
from core.workspace import Project


def contents(project: Project) -> dict[str, bytes]:
    return {str(p.relative_to(project.path)): p.read_bytes() for p in project.path.rglob("*") if p.is_file()}


def test_a_plain_file_becomes_a_task(project: Project, small_csv: Path) -> None:
    spec = add_task(project, small_csv)
    assert (spec.name, spec.inputs, spec.targets, spec.kind, spec.metric) == (
        "colours",
        ("text",),
        ("label",),
        "classification",
        "accuracy",
    )
    assert (spec.num_train, spec.num_validation, spec.num_test) == (40, 5, 5)
    assert spec.labels == ("blue", "red")
    assert list_tasks(project) == [spec] == [get_task(project, "colours")] == [get_task(project, spec.task_id)]
    assert from_record(TaskSpec, json.loads(json.dumps(spec.as_dict())), "test") == spec
    dataset = load_dataset_of(project)
    example = dataset.split(0, "train")[0]
    assert example.prompt == f"{spec.instruction}\n\ntext number {example.line - 2}"
    assert example.target == ("red" if example.line % 2 else "blue")


def test_requests_override_guesses(project: Project, small_csv: Path) -> None:
    request = TaskRequest(
        name="Mine",
        inputs=("label",),
        targets=("text",),
        instruction="Do it.",
        metric="rouge_l",
        template="{instruction} => {label}",
        split=SplitSettings(0, 0.2, 7),
    )
    spec = add_task(project, small_csv, request)
    assert (spec.name, spec.metric, spec.num_validation) == ("Mine", "rouge_l", 0)
    prompts = {e.prompt for e in load_dataset_of(project).split(0, "train")}
    assert prompts <= {"Do it. => red", "Do it. => blue"}


def test_a_test_file_is_the_exam_and_its_inputs_leave_training(project: Project, tmp_path: Path) -> None:
    train, test = tmp_path / "a.csv", tmp_path / "b.tsv"
    train.write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(40)), encoding="utf-8")
    test.write_text("label\ttext\na\trow 3\nb\t row  4 \na\tnew\n", encoding="utf-8")
    spec = add_task(project, train, TaskRequest(test_path=test))
    assert (spec.num_test, spec.num_train + spec.num_validation) == (3, 38)
    assert [e.line for e in load_dataset_of(project).split(0, "test")] == [2, 3, 4]
    problem = next(p for p in read_problems(project, spec.name) if p.key == "task.in_test")
    assert problem.values["count"] == 2
    assert problem.values["lines"] == "5, 6"


def test_headerless_train_and_test_share_column_names(project: Project, tmp_path: Path) -> None:
    train, test = tmp_path / "q.train.tsv", tmp_path / "q.test.tsv"
    train.write_text("".join(f"query {i}\t{i % 2}.0\n" for i in range(20)), encoding="utf-8")
    test.write_text("text\tlabel\nother\t1.0\n", encoding="utf-8")
    spec = add_task(project, train, TaskRequest(test_path=test))
    assert (spec.columns, spec.num_test, spec.labels) == (("column_1", "column_2"), 2, ("0.0", "1.0", "label"))


@pytest.mark.parametrize(
    ("content", "request_", "key"),
    [
        ("", TaskRequest(), "file.empty"),
        ("text,label\nonly,\nthese,\n", TaskRequest(inputs=("text",), targets=("label",)), "task.nothing_to_train"),
        ("text,label\na,b\n", TaskRequest(inputs=("nope",)), "file.no_column"),
        ("text,label\na,b\n", TaskRequest(inputs=("text",), targets=("text",)), "task.both_roles"),
        ("text,label\na,b\n", TaskRequest(template="{instruction}"), "template.no_input"),
        ("text,label\na,b\nc,d\n", TaskRequest(template="{wrong}"), "template.no_column"),
        ("text,label\na,b\nc,d\n", TaskRequest(template="{text} {label}"), "template.shows_answer"),
        ("text,label\na,b\nc,d\n", TaskRequest(metric="nope"), "registry.unknown"),
        ("text,label\na,b\nc,d\n", TaskRequest(name="bad\nname"), "workspace.bad_name"),
        ("text,label\na,b\nc,d\n", TaskRequest(name="First"), "workspace.task_exists"),
        ("text\na\nb\n", TaskRequest(), "file.one_column"),
        ("text,label\na,b\nc,d\n", TaskRequest(test_path="/nowhere/x.csv"), "file.unreadable"),
    ],
)
def test_failures_are_worded_and_touch_nothing(
    project: Project, small_csv: Path, tmp_path: Path, content: str, request_: TaskRequest, key: str
) -> None:
    add_task(project, small_csv, TaskRequest(name="First"))
    before = contents(project)
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TaskloomError) as caught:
        add_task(project, path, request_)
    assert caught.value.key == key
    assert contents(project) == before
    assert not list(project.tasks_dir.glob(".*"))


def test_a_full_disk_leaves_no_half_task(
    project: Project, small_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.tasks.changing.staging.write_rows", full)
    with pytest.raises(WorkspaceError, match="No space left"):
        add_task(project, small_csv)
    assert not list(project.tasks_dir.iterdir())


def test_names_are_made_unique_only_when_guessed(project: Project, small_csv: Path) -> None:
    names = [add_task(project, small_csv).name for _ in range(3)]
    assert names == ["colours", "colours 2", "colours 3"]


def test_empty_answers_are_listed_and_not_used(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [{"text": f"t{i}", "label": "xy"[i % 2]} for i in range(20)]
    rows[3]["label"], rows[5]["text"] = "  ", ""
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    spec = add_task(project, path)
    assert sum(spec.num_examples.values()) == 18
    noted = {(p.key, p.values["line"]): p.raw for p in read_problems(project, spec.name)}
    assert noted == {
        ("task.empty_answer", 4): '{"text": "t3", "label": "  "}',
        ("task.empty_input", 6): '{"text": "", "label": "y"}',
    }


def test_update_changes_roles_and_wording_but_never_the_split(project: Project, small_csv: Path) -> None:
    spec = add_task(project, small_csv)
    folder = task_dir(project, spec.task_id)
    splits = {s: list(read_rows(folder, s)) for s in ("train", "validation", "test")}
    changed = update_task(
        project,
        "colours",
        {
            "name": "C",
            "instruction": "Say it.",
            "inputs": ["label"],
            "targets": ["text"],
            "kind": "generation",
            "metric": "rouge_l",
        },
    )
    assert (changed.name, changed.template, changed.labels) == ("C", "{instruction}\n\n{label}", ())
    assert changed.num_examples == spec.num_examples
    assert get_task(project, "C") == changed
    assert {s: list(read_rows(folder, s)) for s in splits} == splits
    for bad, key in (
        ({"nope": 1}, "setting.unknown"),
        ({"inputs": ["zzz"]}, "task.no_column"),
        ({"template": "x"}, "template.no_input"),
        ({"metric": "zzz"}, "registry.unknown"),
        ({"targets": []}, "task.no_roles"),
        ({"targets": ["label"]}, "task.both_roles"),
    ):
        with pytest.raises(SettingError) as caught:
            update_task(project, "C", bad)
        assert caught.value.key == key
    assert get_task(project, "C") == changed


def exam_of(project: Project) -> list[Any]:
    return load_dataset_of(project).split(0, "test")


def test_a_new_split_is_drawn_on_request(project: Project, small_csv: Path) -> None:
    spec = add_task(project, small_csv)
    exam = exam_of(project)
    kept = update_task(project, spec.name, {"split": {"validation": 0.3, "test": 0.3, "seed": 4}})
    assert exam_of(project) == exam  # locked: only the other rows were dealt out anew
    assert (kept.num_train, kept.num_validation, kept.num_test, kept.split.test) == (31, 14, 5, 0.1)
    wish = {"split": {"validation": 0.2, "test": 0.3, "seed": 4}}
    changed = update_task(project, spec.name, wish, redraw_exam=True)
    assert (changed.num_train, changed.num_validation, changed.num_test) == (25, 10, 15)
    lines = [e.line for s in ("train", "validation", "test") for e in load_dataset_of(project).split(0, s)]
    assert sorted(lines) == list(range(2, 52))
    assert not list(project.tasks_dir.glob(".*"))


def test_removed_tasks_are_gone(project: Project, small_csv: Path) -> None:
    asked = annotation_path(project, add_task(project, small_csv).task_id)
    asked.parent.mkdir()
    asked.write_text("{}", encoding="utf-8")  # questions in clear
    remove_task(project, "colours")
    assert not asked.exists()
    assert list_tasks(project) == []
    assert not list(project.tasks_dir.iterdir())
    with pytest.raises(WorkspaceError, match="colours"):
        remove_task(project, "colours")
    with pytest.raises(WorkspaceError, match="no task yet"):
        load_dataset_of(project)


def test_a_frozen_copy_outlives_the_task(project: Project, small_csv: Path, tmp_path: Path) -> None:
    add_task(project, small_csv)
    add_task(project, small_csv, TaskRequest(name="Second"))
    dataset = load_dataset_of(project, ["Second", "colours"])
    assert dataset.names() == ["colours", "Second"]
    save_dataset(dataset, tmp_path / "frozen")
    remove_task(project, "colours")
    assert load_saved_dataset(tmp_path / "frozen") == dataset
    (tmp_path / "frozen" / "0.train.jsonl").write_text('{"prompt": 1', encoding="utf-8")
    with pytest.raises(WorkspaceError, match="damaged"):
        load_saved_dataset(tmp_path / "frozen")


def test_preview_shows_rows_and_the_guess(small_csv: Path, tmp_path: Path) -> None:
    preview = preview_file(small_csv)
    assert (preview.columns, len(preview.rows), preview.num_rows, preview.is_exact) == (
        ("text", "label"),
        5,
        50,
        True,
    )
    assert preview.guess is not None
    assert preview.guess.targets == ("label",)
    large = tmp_path / "large.csv"
    large.write_text("text,label\n" + "hello there,a\nbye now,b\n" * 5000, encoding="utf-8")
    preview = preview_file(large)
    assert (preview.num_rows, preview.is_exact) == (10_000, False)
    single = tmp_path / "one.csv"
    single.write_text("text\nhello\n", encoding="utf-8")
    assert preview_file(single).guess is None
    with pytest.raises(TaskFileError):
        preview_file(tmp_path / "missing.csv")


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("banking77.train.csv.gz", "banking77"),
        ("a_train.xlsx", "a"),
        ("train.csv", "train"),
        (".csv", ".csv"),
        ("问题.jsonl", "问题"),
        ("x" * 200 + ".csv", "x" * 70),
    ],
)
def test_names_from_files(file: str, stem: str) -> None:
    assert stem_of(file) == stem

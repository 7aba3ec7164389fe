"""Marks on answers, and corrections that go back to the task's data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.base.errors import RunError, SettingError
from core.insight.correcting import PRACTICE, correct_answer
from core.insight.marked_answers import is_marked, mark_answer
from core.insight.results import read_answers
from core.runs.creation import create_run
from core.runs.folder import RunFolder
from core.tasks.dataset import load_dataset_of
from core.tasks.store import get_task
from core.workspace import Project
from tests.toy_project import build_toy_project, quick_config


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_toy_project(tmp_path)


@pytest.fixture
def folder(project: Project, tmp_path: Path) -> RunFolder:
    """A run whose exam answered every test row with "yes"."""
    from tests.tiny_models import build_tiny_llama

    made = create_run(project, quick_config(build_tiny_llama(tmp_path / "model")))
    dataset = load_dataset_of(project)
    made.predictions_dir.mkdir()
    for task in range(2):
        records = [
            {"row": row, "line": e.line, "prompt": e.prompt, "target": e.target, "tuned": "yes"}
            for row, e in enumerate(dataset.split(task, "test"))
        ]
        text = "".join(json.dumps(record) + "\n" for record in records)
        (made.predictions_dir / f"{task}.jsonl").write_text(text, encoding="utf-8")
    return made


def test_marks_are_kept_by_task_and_row(folder: RunFolder) -> None:
    assert mark_answer(folder.path, "direct", 2) == {2}
    assert mark_answer(folder.path, "direct", 0) == {0, 2}
    assert mark_answer(folder.path, "direct", 2, on=False) == {0}
    assert is_marked(folder.path, "direct", 0)
    assert not is_marked(folder.path, "reversed", 0)
    assert list(read_answers(folder.path, "direct", "flagged")["row"]) == [0]
    assert read_answers(folder.path, "reversed", "flagged").empty
    with pytest.raises(RunError, match="row 999 of direct was not answered"):
        mark_answer(folder.path, "direct", 999)


def test_a_second_run_stands_beside(folder: RunFolder, project: Project) -> None:
    other = create_run(project, folder.read_config())
    other.predictions_dir.mkdir()
    first = folder.read_predictions(0)[0]
    text = json.dumps({**first, "tuned": "no"}) + "\n"
    (other.predictions_dir / "0.jsonl").write_text(text, encoding="utf-8")
    rows = read_answers(folder.path, "direct", other=other.path)
    assert rows["other"][0] == "no"
    assert rows["other"].notna().sum() == 1
    assert set(rows["other_score"].dropna()) == {float(first["target"] == "no")}
    assert read_answers(folder.path, "reversed", other=other.path)["other"].isna().all()


def test_a_correction_goes_back_to_the_exam_row(folder: RunFolder, project: Project) -> None:
    before = load_dataset_of(project)
    row = before.split(0, "test")[3]
    other = "no" if row.target == "yes" else "yes"
    spec = correct_answer(project, folder.path, "direct", 3, f" {other} ")
    after = load_dataset_of(project)
    assert after.split(0, "test")[3].target == other
    assert after.sizes("test") == before.sizes("test")
    assert [e.target for i, e in enumerate(after.split(0, "test")) if i != 3] == [
        e.target for i, e in enumerate(before.split(0, "test")) if i != 3
    ]
    assert spec.version > get_task(project, "reversed").version
    with pytest.raises(RunError, match="already"):
        correct_answer(project, folder.path, "reversed", 0, before.split(1, "test")[0].target)


def test_a_row_that_is_practised_leaves_the_exam(folder: RunFolder, project: Project) -> None:
    before = load_dataset_of(project)
    row = before.split(0, "test")[3]
    correct_answer(project, folder.path, "direct", 3, None, PRACTICE)
    after = load_dataset_of(project)
    assert after.sizes("test")[0] == before.sizes("test")[0] - 1
    assert after.sizes("train")[0] == before.sizes("train")[0] + 1
    assert row.prompt in [e.prompt for e in after.split(0, "train")]


def test_what_cannot_be_corrected_is_worded(folder: RunFolder, project: Project) -> None:
    with pytest.raises(SettingError, match="exam, practice"):
        correct_answer(project, folder.path, "direct", 0, "no", "elsewhere")
    with pytest.raises(RunError, match="was not answered"):
        correct_answer(project, folder.path, "direct", 999, "no")
    text = (folder.predictions_dir / "0.jsonl").read_text(encoding="utf-8")
    (folder.predictions_dir / "0.jsonl").write_text(text.replace("good", "fine"), encoding="utf-8")
    changed = next(r["row"] for r in folder.read_predictions(0) if "fine" in r["prompt"])
    with pytest.raises(RunError, match="has changed since this run"):
        correct_answer(project, folder.path, "direct", changed, "maybe")

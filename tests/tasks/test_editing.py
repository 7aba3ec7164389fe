"""Rows edited by hand, corrections from elsewhere, pasted cells, lists to download."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest

from core.base.errors import SettingError, TaskFileError
from core.messages import english
from core.tasks.changing.add_task import add_pasted, add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.editing import CHAT, ORIGIN, add_correction, add_rows, delete_rows, edit_row, move_rows
from core.tasks.changing.exporting import csv_bytes, export_health, export_problems, export_rows
from core.tasks.changing.versions import list_versions, undo_change
from core.tasks.dataset import load_dataset_of
from core.tasks.health.report import health_report
from core.tasks.mixture import MixtureSampler, MixtureSettings
from core.tasks.store import get_task, read_problems, read_rows, task_dir
from core.workspace import Project


def test_rows_are_added_changed_moved_and_deleted(project: Project, small_csv: Path) -> None:
    spec = add_task(project, small_csv)
    added = add_rows(project, "colours", [{"text": "new one", "label": "green"}, {"text": "no answer"}])
    assert (added.num_train, added.labels) == (spec.num_train + 1, ("blue", "green", "red"))
    *_, first, second = read_rows(task_dir(project, spec.task_id), "train")
    assert first == (52, {"text": "new one", "label": "green", ORIGIN: "by hand"})
    edited = edit_row(project, "colours", ("train", second[0]), {"label": "red"})
    assert edited.num_train == spec.num_train + 2
    moved = move_rows(project, "colours", [("train", 52)], "test")
    assert (moved.num_train, moved.num_test) == (edited.num_train - 1, spec.num_test + 1)
    assert delete_rows(project, "colours", [("test", 52), ("train", 53)]).num_examples == spec.num_examples
    changes = [v.change for v in list_versions(project, "colours")]
    assert changes == ["add_rows", "edit_row", "move_rows", "delete_rows"]
    for _ in changes:
        undo_change(project, "colours")
    assert get_task(project, "colours") == spec
    for bad in (
        lambda: edit_row(project, "colours", ("train", 999), {"label": "x"}),
        lambda: edit_row(project, "colours", ("train", 52), {"nope": "x"}),
        lambda: add_rows(project, "colours", [], split="exam"),
        lambda: delete_rows(project, "colours", [("train", 999)]),
    ):
        with pytest.raises(SettingError):
            bad()
    lines = [("train", line) for line, _ in read_rows(task_dir(project, spec.task_id), "train")]
    with pytest.raises(TaskFileError):
        delete_rows(project, "colours", lines)


def test_corrections_arrive_marked(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"play song {i},Play{i % 3},artist=x{i}\n" for i in range(30))
    path.write_text(f"utterance,intent,slots\n{rows}", encoding="utf-8")
    spec = add_task(project, path)
    assert spec.targets == ("intent", "slots")
    add_correction(project, "t", {"utterance": "stop it"}, "Stop | none", origin=CHAT)
    example = load_dataset_of(project).split(0, "train")[-1]
    assert (example.prompt.endswith("stop it"), example.target) == (True, "Stop | none")
    *_, (_, row) = read_rows(task_dir(project, spec.task_id), "train")
    assert row == {"utterance": "stop it", "intent": "Stop", "slots": "none", ORIGIN: "chat"}
    with pytest.raises(SettingError):
        add_correction(project, "t", {"utterance": "stop it"}, "only one part")


@pytest.mark.parametrize(
    "text",
    [
        "text\tlabel\n" + "".join(f"row {i}\t{'ab'[i % 2]}\n" for i in range(20)),
        "text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(20)),
        "\n".join(f'{{"text": "row {i}", "label": "{"ab"[i % 2]}"}}' for i in range(20)),
    ],
)
def test_pasted_cells_become_a_task(project: Project, text: str) -> None:
    spec = add_pasted(project, text)
    assert (spec.name, spec.inputs, spec.targets, sum(spec.num_examples.values())) == (
        "pasted", ("text",), ("label",), 20,
    )  # fmt: skip
    assert add_pasted(project, text, TaskRequest(name="Mine")).name == "Mine"
    with pytest.raises(TaskFileError):
        add_pasted(project, "   ")


def read_back(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_downloads_are_harmless_and_complete(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "text,label\n" + "".join(f'"=cmd {i}",-{i}\n' for i in range(20)) + "ragged\n,1\n", encoding="utf-8"
    )
    add_task(project, path, TaskRequest(inputs=("text",), targets=("label",)))
    rows = read_back(export_rows(project, "t"))
    assert rows[0] == ["split", "line", "text", "label", "taskloom"]
    assert len(rows) == 22
    assert {r[2][:6] for r in rows[1:]} == {"'=cmd ", ""}
    assert {r[3][:1] for r in rows[1:]} == {"-", "1"}  # numbers stay numbers
    problems = read_back(export_problems(read_problems(project, "t"), english))
    assert [p[0] for p in problems[1:]] == ["line 22", "t.csv, line 23"]
    assert all(p[2] and p[3] for p in problems)
    findings = read_back(export_health(health_report(project), english))
    assert next(f for f in findings if f[5] == "train:23" or f[5].endswith(":23"))[:3] == ["t", "warning", "1"]
    assert read_back(csv_bytes(["a"], [["@x"], ["+1.5"], ["-x"], ["\tx"]])) == [
        ["a"],
        ["'@x"],
        ["+1.5"],
        ["'-x"],
        ["x"],
    ]


def test_balanced_chunks() -> None:
    sampler = MixtureSampler([50, 200, 400], MixtureSettings("balanced"), seed=1)
    order = [task for task, _ in sampler.epoch_examples(0)]
    for start in range(0, len(order) - 30, 30):
        counts = Counter(order[start : start + 30])
        assert max(counts.values()) - min(counts.values()) <= 4

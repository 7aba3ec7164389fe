"""Many files at once: real domains, dropped files, the sample project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from core.base.errors import TaskFileError, TaskloomError
from core.tasks.changing.domain import add_domain, add_files
from core.tasks.changing.sample import SAMPLE_DIR, load_sample
from core.tasks.dataset import load_dataset_of
from core.tasks.store import list_tasks, read_doubts
from core.workspace import Project

DOMAINS = ("chinese", "customer_service", "finance", "medical")


@pytest.mark.parametrize("domain", DOMAINS)
def test_real_domains_import_without_a_hand_edit(project: Project, shared_tasks: Path, domain: str) -> None:
    hints = json.loads((shared_tasks / domain / "domain.json").read_text(encoding="utf-8"))["tasks"]
    specs = add_domain(project, shared_tasks / domain)
    assert [s.name for s in specs] == [h["name"] for h in hints] == [s.name for s in list_tasks(project)]
    dataset = load_dataset_of(project)
    for index, (spec, hint) in enumerate(zip(specs, hints, strict=True)):
        assert spec.instruction == hint["instruction"]
        assert list(spec.inputs) == hint["inputs"]
        assert spec.num_test == hint["rows"]["test"] == len(dataset.split(index, "test"))
        assert spec.num_train + spec.num_validation >= 0.99 * hint["rows"]["train"]
        assert spec.source.encoding == hint["encoding"]
        assert spec.source.licence == hint["licence"]
        for example in dataset.split(index, "test"):
            assert example.prompt.startswith(hint["instruction"][:20])
            assert example.target


def test_two_targets_and_label_names(project: Project, shared_tasks: Path) -> None:
    by_name = {s.name: s for d in ("customer_service", "medical") for s in add_domain(project, shared_tasks / d)}
    dataset = load_dataset_of(project)
    snips = dataset.split(dataset.names().index("snips"), "test")[0]
    assert " | " in snips.target
    assert by_name["snips"].targets == ("intent", "slots")
    assert "neoplasms" in by_name["medical_tc"].labels
    assert len(by_name["medical_tc"].labels) == 5


def test_the_browser_way_in(project: Project, shared_tasks: Path) -> None:
    """All files of a domain dropped together, first with its domain.json, then without."""
    files = sorted((shared_tasks / "medical").iterdir())
    report = add_files(project, files)
    assert (len(report.added), report.failed) == (8, [])
    assert all(s.num_test for s in report.added)
    report = add_files(project, [f for f in files if f.name != "domain.json"])
    assert (len(report.added), report.failed) == (8, [])
    names = {s.name: s for s in report.added}
    assert "neoplasms" in names["medical_tc 2"].labels  # medical_tc_labels.csv was taken as the names of codes
    assert set(report.problems) == {s.task_id for s in report.added}


def test_bad_files_do_not_hinder_good_ones(project: Project, small_csv: Path, tmp_path: Path) -> None:
    bad, odd = tmp_path / "bad.csv", tmp_path / "photo.png"
    bad.write_text("", encoding="utf-8")
    odd.write_bytes(b"\x89PNG")
    report = add_files(project, [bad, small_csv, odd])
    assert [s.name for s in report.added] == ["colours"]
    assert [(name, p.key) for name, p in report.failed] == [
        ("bad.csv", "file.empty"),
        ("photo.png", "file.unknown_suffix"),
    ]
    assert all(p.message and p.hint for _, p in report.failed)


def test_files_pair_by_name(project: Project, tmp_path: Path) -> None:
    for name, count in (
        ("a.train.csv", 30),
        ("a.test.csv", 7),
        ("b_train.tsv", 30),
        ("b_test.csv", 5),
        ("c.test.csv", 9),
    ):
        mark = "\t" if name.endswith("tsv") else ","
        rows = "".join(f"{name} {i}{mark}{'xy'[i % 2]}\n" for i in range(count))
        (tmp_path / name).write_text(f"text{mark}label\n{rows}", encoding="utf-8")
    report = add_files(project, sorted(tmp_path.glob("*.?sv")))
    sizes = {s.name: (s.num_train + s.num_validation, s.num_test) for s in report.added}
    assert sizes == {"a": (30, 7), "b": (30, 5)}
    assert [(item.path.name, item.split) for item in report.lone] == [("c.test.csv", "test")]
    report = add_files(project, [tmp_path / "c.test.csv"], alone=["c.test.csv"])
    assert [(s.name, s.num_train + s.num_validation, s.num_test) for s in report.added] == [("c.test", 8, 1)]


def test_a_domain_comes_whole_or_not_at_all(project: Project, tmp_path: Path) -> None:
    shutil.copytree(SAMPLE_DIR, tmp_path / "d")
    (tmp_path / "d" / "question_cleaning.test.jsonl").unlink()
    with pytest.raises(TaskFileError) as caught:
        add_domain(project, tmp_path / "d")
    assert caught.value.key == "domain.file_missing"
    assert not list(project.tasks_dir.iterdir())


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (None, "domain.missing"),
        ("{", "file.bad_json"),
        ("\ufeff[]", "domain.no_tasks"),
        ("[]", "domain.no_tasks"),
        ('{"tasks": []}', "domain.no_tasks"),
        ('{"tasks": [{"name": "x", "train": "../x.csv"}]}', "domain.bad_file_name"),
        ('{"tasks": [{"name": "x", "train": "x.csv"}]}', "domain.file_missing"),
    ],
)
def test_bad_domain_files(project: Project, tmp_path: Path, content: str | None, key: str) -> None:
    if content is not None:
        (tmp_path / "domain.json").write_text(content, encoding="utf-8")
    with pytest.raises(TaskloomError) as caught:
        add_domain(project, tmp_path)
    assert caught.value.key == key


def test_the_sample_project(project: Project) -> None:
    specs = load_sample(project)
    assert not any(read_doubts(project, spec.task_id) for spec in specs), "its first visitor is asked nothing"
    assert len(specs) == 5
    assert len({s.source.format for s in specs}) == 5
    assert {"classification", "extraction", "generation"} <= {s.kind for s in specs}
    for spec in specs:
        assert 300 <= spec.num_train + spec.num_validation <= 400
        assert 60 <= spec.num_test <= 100
        assert spec.source.licence
        assert spec.source.citation
        assert spec.source.licence in (SAMPLE_DIR / "README.md").read_text(encoding="utf-8")
    assert sum(p.stat().st_size for p in SAMPLE_DIR.iterdir() if p.is_file()) < 1_000_000
    with pytest.raises(TaskloomError, match="already has a task"):
        load_sample(project)
    assert len(list_tasks(project)) == 5

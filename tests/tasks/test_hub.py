"""Data sets from the Hub, with the Hub itself replaced by a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pyarrow
import pyarrow.parquet
import pytest
from huggingface_hub import errors

from core.base.errors import TaskFileError
from core.tasks.changing.hub import add_hub_dataset, choose_files
from core.tasks.reading import shards
from core.tasks.spec import TaskSpec
from core.tasks.store import read_problems, read_rows, task_dir
from core.workspace import Project


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    (folder / "data").mkdir(parents=True)

    class Api:
        def dataset_info(self, dataset_id: str, timeout: float, files_metadata: bool) -> SimpleNamespace:
            files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
            siblings = [
                SimpleNamespace(rfilename=p.relative_to(folder).as_posix(), size=p.stat().st_size) for p in files
            ]
            return SimpleNamespace(siblings=siblings, sha="0123456789abcdef0123")

    def download(_: str, name: str, repo_type: str, revision: str) -> str:
        assert (repo_type, revision) == ("dataset", "0123456789abcdef0123")
        blob = tmp_path / "blobs" / hashlib.sha256(name.encode()).hexdigest()  # the cache of the real one
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes((folder / name).read_bytes())
        snapshot = tmp_path / "snapshot" / name
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        snapshot.unlink(missing_ok=True)
        snapshot.symlink_to(blob)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return folder


def test_a_dataset_is_imported_with_its_test_part(project: Project, hub: Path) -> None:
    for part, count in (("train", 40), ("test", 9)):
        rows = "".join(f"{part} {i},{'ab'[i % 2]}\n" for i in range(count))
        (hub / "data" / f"{part}.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    (hub / "loader.py").write_text("raise SystemExit('never run')", encoding="utf-8")
    spec = add_hub_dataset(project, "someone/colours")
    assert (spec.name, spec.num_test, spec.num_train + spec.num_validation) == ("colours", 9, 40)
    assert spec.source.file == "train.csv"
    assert spec.source.citation.endswith("datasets/someone/colours (0123456789ab)")
    assert add_hub_dataset(project, "someone/colours").name == "colours 2"


def write_parts(hub: Path, split: str, parts: list[pyarrow.Table], mark: str = "") -> None:
    for number, rows in enumerate(parts):
        name = f"{split}-{number:05d}-of-{len(parts):05d}{mark}.parquet"
        pyarrow.parquet.write_table(rows, hub / "data" / name)


def part_of(first: int, count: int, columns: tuple[str, str] = ("text", "label")) -> pyarrow.Table:
    numbers = range(first, first + count)
    cells = {"text": [f"text {i}" for i in numbers], "label": ["ab"[i % 2] for i in numbers]}
    return pyarrow.table({new: cells[old] for new, old in zip(columns, ("text", "label"), strict=True)})


@pytest.mark.parametrize("mark", ["", "-0123456789abcdef"])
def test_numbered_parts_are_one_task_in_order(project: Project, hub: Path, mark: str) -> None:
    write_parts(hub, "train", [part_of(0, 30), part_of(30, 20), part_of(50, 10)], mark)
    write_parts(hub, "test", [part_of(100, 5), part_of(105, 4)], mark)
    write_parts(hub, "validation", [part_of(200, 5)], mark)
    spec = add_hub_dataset(project, "someone/large")
    assert (spec.num_test, spec.num_train, spec.num_validation) == (9, 60, 5)
    assert (spec.source.file, spec.source.test_file) == ("train-*-of-00003.parquet", "test-*-of-00002.parquet")
    rows = {line: row["text"] for line, row in read_rows_of(project, spec, "train")}
    assert rows == {i + 1: f"text {i}" for i in range(60)}  # numbered through, nothing twice
    assert [row["text"] for _, row in read_rows_of(project, spec, "test")] == [f"text {100 + i}" for i in range(9)]


def test_splits_that_are_not_taken_are_named(project: Project, hub: Path) -> None:
    for number, split in enumerate(("train", "test", "unlabelled", "robustness")):
        write_parts(hub, split, [part_of(100 * number, 30)])
    spec = add_hub_dataset(project, "someone/large")
    told = next(p for p in read_problems(project, spec.task_id) if p.key == "hub.not_taken")
    assert told.values["count"] == 2
    assert "robustness-00000-of-00001.parquet" in told.message
    assert "unlabelled-00000-of-00001.parquet" in told.message


def read_rows_of(project: Project, spec: TaskSpec, split: str) -> list[Any]:
    return list(read_rows(task_dir(project, spec.task_id), split))


def test_parts_that_do_not_fit(project: Project, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other columns, a missing part, and together larger than one file may be: nothing is kept."""
    write_parts(hub, "train", [part_of(0, 30), part_of(30, 20, ("question", "label"))])
    with pytest.raises(TaskFileError) as caught:
        add_hub_dataset(project, "someone/large")
    assert caught.value.key == "file.other_columns"
    assert "train-00001-of-00002.parquet" in caught.value.message
    write_parts(hub, "train", [part_of(0, 30), part_of(30, 20)])
    sizes = [p.stat().st_size for p in (hub / "data").iterdir()]
    monkeypatch.setattr(shards, "MAX_FILE_BYTES", sum(sizes) - 1)
    with pytest.raises(TaskFileError) as caught:
        add_hub_dataset(project, "someone/large")
    assert caught.value.key == "file.too_large"
    (hub / "data" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(TaskFileError) as caught:
        add_hub_dataset(project, "someone/large")
    assert caught.value.values["file"] == "data/train-00000-of-00002.parquet"
    assert list(project.tasks_dir.glob("*")) == []


def test_files_are_chosen_by_part_and_config() -> None:
    names = [
        "README.md",
        "b/train-00000-of-00001.parquet",
        "b/test-00000-of-00001.parquet",
        "a/train.jsonl",
        "a/dev.jsonl",
    ]
    assert choose_files(names).train == ("a/train.jsonl",)
    chosen = choose_files(names, "b")
    assert chosen.train == ("b/train-00000-of-00001.parquet",)
    assert chosen.test == ("b/test-00000-of-00001.parquet",)
    assert choose_files(["all.csv"]).train == ("all.csv",)


def test_what_cannot_be_used_is_said(project: Project, hub: Path) -> None:
    for names, key in (
        (["README.md", "x.py"], "hub.no_files"),
        (["train-00000-of-00009.parquet"], "hub.missing_part"),
    ):
        with pytest.raises(TaskFileError) as caught:
            choose_files(names)
        assert caught.value.key == key
    for bad in ("../../etc/passwd", "http://example.org/x", "a/b/c", ""):
        with pytest.raises(TaskFileError) as caught:
            add_hub_dataset(project, bad)
        assert caught.value.key == "hub.bad_id"


def test_an_error_of_our_own_is_not_taken_for_one_of_the_network(
    project: Project, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(names: list[str], config: str | None) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("core.tasks.changing.hub.choose_files", broken)
    with pytest.raises(KeyError, match="a bug"):
        add_hub_dataset(project, "someone/colours")


def test_no_connection_is_worded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # The Hub's client lets errors of the libraries below it through; none of them may get out unworded.
    kinds = (
        ConnectionError,
        errors.HTTPError,
        errors.XetDownloadError,
        errors.RevisionResolutionError,
        RuntimeError,
    )
    for error in (kind("no route to host") for kind in kinds):

        class Api:
            def dataset_info(self, *_: object, told: Exception = error, **__: object) -> None:
                raise told

        monkeypatch.setattr(huggingface_hub, "HfApi", Api)
        with pytest.raises(TaskFileError, match="no route to host") as caught:
            add_hub_dataset(project, "someone/colours")
        assert caught.value.key == "hub.unreachable"

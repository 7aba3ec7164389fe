"""Data sets from the Hub, with the Hub itself replaced by a folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest

from core.errors import TaskFileError
from core.tasks import hub as hub_door
from core.tasks.hub import add_hub_dataset, choose_files
from core.workspace import Project


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub"
    (folder / "data").mkdir(parents=True)

    class Api:
        def dataset_info(self, dataset_id: str, timeout: float) -> SimpleNamespace:
            files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
            siblings = [SimpleNamespace(rfilename=p.relative_to(folder).as_posix()) for p in files]
            return SimpleNamespace(siblings=siblings, sha="0123456789abcdef0123")

    def download(_: str, name: str, repo_type: str, revision: str) -> str:
        assert (repo_type, revision) == ("dataset", "0123456789abcdef0123")
        return str(folder / name)

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


def test_files_are_chosen_by_part_and_config() -> None:
    names = [
        "README.md",
        "b/train-00000-of-00001.parquet",
        "b/test-00000-of-00001.parquet",
        "a/train.jsonl",
        "a/dev.jsonl",
    ]
    assert choose_files(names).train == "a/train.jsonl"
    chosen = choose_files(names, "b")
    assert (chosen.train, chosen.test) == ("b/train-00000-of-00001.parquet", "b/test-00000-of-00001.parquet")
    assert choose_files(["all.csv"]).train == "all.csv"


def test_what_cannot_be_used_is_said(project: Project, hub: Path) -> None:
    for names, key in (
        (["README.md", "x.py"], "hub.no_files"),
        (["train-00000-of-00009.parquet"], "hub.many_parts"),
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

    monkeypatch.setattr(hub_door, "choose_files", broken)
    with pytest.raises(KeyError, match="a bug"):
        add_hub_dataset(project, "someone/colours")


def test_no_connection_is_worded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    class Strange(Exception):
        """The Hub's client changed its network library once; none of its errors may get through unworded."""

    for error in (ConnectionError("no route to host"), Strange("no route to host")):

        class Api:
            def dataset_info(self, dataset_id: str, timeout: float, told: Exception = error) -> None:
                raise told

        monkeypatch.setattr(huggingface_hub, "HfApi", Api)
        with pytest.raises(TaskFileError, match="no route to host") as caught:
            add_hub_dataset(project, "someone/colours")
        assert caught.value.key == "hub.unreachable"

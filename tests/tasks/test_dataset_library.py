"""What the library `datasets` does: cards of the Hub, folders of Arrow files there and back, never in the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from core.base.errors import TaskFileError
from core.tasks.changing.add_task import add_task, update_task
from core.tasks.changing.dataset_folder import add_dataset_folder
from core.tasks.changing.dataset_library import choose_splits, is_dataset_folder, read_card, save_folder
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.hub import add_hub_dataset
from core.tasks.store import read_rows, task_dir
from core.workspace import Project
from tests.tasks.test_hub import hub  # noqa: F401 - a fixture

datasets.disable_progress_bars()
FILES = ["README.md", "en/train-1.csv", "en/train-2.csv", "en/test.csv", "de/all.csv", "loader.py"]


def card(configs: str, more: str = "") -> str:
    return f"---\nlicense: mit\nconfigs:\n{configs}{more}---\n# A data set\n"


TWO = card(
    "- config_name: en\n  data_files:\n  - split: train\n    path: en/train-*\n  - split: heldout_test\n"
    "    path: en/test.csv\n- config_name: de\n  data_files: de/all.csv\n  default: true\n"
)


def test_a_card_says_which_files_are_a_split() -> None:
    found = read_card(TWO, FILES, "en")
    assert found is not None
    assert found.splits == {"train": ("en/train-1.csv", "en/train-2.csv"), "heldout_test": ("en/test.csv",)}
    assert choose_splits(found.splits) == {"train": "train", "test": "heldout_test"}
    default = read_card(TWO, FILES, None)
    assert default is not None
    assert (default.config, default.splits) == ("de", {"train": ("de/all.csv",)})


@pytest.mark.parametrize(
    "text", ["", "# only words", "---\nlicense: mit\n---\n", "---\n[broken\n---\n", "---\na: &b *b\n---"]
)
def test_a_card_without_files_says_nothing(text: str) -> None:
    assert read_card(text, FILES, None) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (TWO.replace("  default: true\n", ""), "hub.which_config"),
        (card("- config_name: a\n  data_files: /etc/passwd\n"), "hub.outside_files"),
        (card("- config_name: a\n  data_files: ../../../etc/*\n"), "hub.outside_files"),
        (card("- config_name: a\n  data_files: https://example.org/x.csv\n"), "hub.outside_files"),
        (card("- config_name: a\n  data_files: hf://datasets/someone/other/x.csv\n"), "hub.outside_files"),
        (card("- config_name: a\n  data_files: x.csv\n  data_dir: ../..\n"), "hub.outside_files"),
        (card("- config_name: a\n  data_files: missing/*.csv\n"), "hub.missing_files"),
        (card("- config_name: a\n  data_files: 5\n"), "hub.bad_card"),
        (card("- data_files: x.csv\n"), "hub.bad_card"),
        (card("  nothing: [1]\n"), "hub.bad_card"),
    ],
)
def test_what_a_card_may_not_say(text: str, key: str) -> None:
    with pytest.raises(TaskFileError) as caught:
        read_card(text, FILES, None)
    assert caught.value.key == key


def test_an_unknown_configuration_names_the_known_ones() -> None:
    with pytest.raises(TaskFileError, match="en, de"):
        read_card(TWO, FILES, "fr")


def write_colours(folder: Path, name: str, first: int, count: int) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"text {n};{n % 2}\n" for n in range(first, first + count))
    (folder / name).write_text(f"sentence;mood\n{rows}", encoding="utf-8")


def test_a_hub_data_set_is_read_as_its_card_says(project: Project, hub: Path) -> None:  # noqa: F811
    """Splits under other names than their files', and the names of label codes."""
    write_colours(hub, "raw/first.csv", 0, 40)
    write_colours(hub, "raw/second.csv", 100, 9)
    write_colours(hub, "raw/third.csv", 200, 5)
    features = (
        "dataset_info:\n  config_name: default\n  features:\n  - name: sentence\n    dtype: string\n"
        "  - name: mood\n    dtype:\n      class_label:\n        names:\n          '0': sad\n          '1': glad\n"
    )
    splits = "".join(
        f"  - split: {split}\n    path: raw/{name}.csv\n"
        for split, name in (("train", "first"), ("test", "second"), ("validation", "third"))
    )
    text = card(f"- config_name: default\n  data_files:\n{splits}", features)
    (hub / "README.md").write_text(text, encoding="utf-8")
    spec = add_hub_dataset(project, "someone/moods")
    assert (spec.num_train, spec.num_test, spec.num_validation) == (40, 9, 5)
    assert (spec.inputs, spec.targets) == (("sentence",), ("mood",))
    assert set(spec.labels) == {"sad", "glad"}
    assert spec.kind == "classification"


def test_a_card_that_points_elsewhere_fetches_nothing(project: Project, hub: Path) -> None:  # noqa: F811
    write_colours(hub, "train.csv", 0, 40)
    (hub / "README.md").write_text(card("- config_name: a\n  data_files: /etc/passwd\n"), encoding="utf-8")
    with pytest.raises(TaskFileError) as caught:
        add_hub_dataset(project, "someone/moods")
    assert caught.value.key == "hub.outside_files"
    assert list(project.tasks_dir.glob("*")) == []


ODD = ["=1+1", "  two  blanks ", "line\nbreak", '"quoted"', "号 é", "", "NA"]


def odd_task(project: Project, tmp_path: Path) -> str:
    rows = [
        {
            "text": f"{ODD[n % len(ODD)]} {n}",
            "mood": ("glad", "sad", "NA")[n % 3],
            "n": n,
            "tags": ["a", "号"][: n % 3],
        }
        for n in range(60)
    ]
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    add_task(project, path, TaskRequest(name="odd", inputs=("text",), targets=("mood",)))
    return "odd"


def all_rows(project: Project, name: str) -> dict[str, list[dict[str, object]]]:
    folder = task_dir(project, name)
    return {split: [row for _, row in read_rows(folder, split)] for split in ("train", "validation", "test")}


def test_a_task_goes_out_and_comes_back_the_same(project: Project, tmp_path: Path) -> None:
    name = odd_task(project, tmp_path)
    before = update_task(project, name, {"instruction": "Say how it sounds.", "metric": "macro_f1"})
    folder = tmp_path / "out"
    counts = save_folder(project, name, folder)
    assert counts == before.num_examples
    assert is_dataset_folder(folder)
    opened = datasets.load_from_disk(str(folder))
    assert {split: len(rows) for split, rows in opened.items()} == {s: n for s, n in counts.items() if n}
    assert opened["train"].features["mood"].names == ["NA", "glad", "sad"]
    assert opened["train"].features["tags"] == datasets.List(datasets.Value("string"))
    again = add_dataset_folder(project, folder, TaskRequest())
    same = ("inputs", "targets", "instruction", "template", "metric", "kind", "num_examples", "labels", "columns")
    assert {n: getattr(again, n) for n in same} == {n: getattr(before, n) for n in same}
    assert again.name == "odd 2"
    rows, back = all_rows(project, before.task_id), all_rows(project, again.task_id)
    for split in rows:
        wanted = ("text", "mood")
        assert [[str(r[c]) for c in wanted] for r in back[split]] == [
            [str(r[c]) for c in wanted] for r in rows[split]
        ]


def test_a_foreign_folder_becomes_a_task(project: Project, tmp_path: Path) -> None:
    labels = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features({"question": datasets.Value("string"), "answer": labels})
    rows = {"question": [f"is {n} odd" for n in range(40)], "answer": [n % 2 for n in range(40)]}
    single = datasets.Dataset.from_dict(rows, features=features)
    single.save_to_disk(str(tmp_path / "single"), num_shards=3)
    spec = add_dataset_folder(project, tmp_path / "single", TaskRequest(name="odd numbers"))
    assert (spec.name, set(spec.labels), sum(spec.num_examples.values())) == ("odd numbers", {"no", "yes"}, 40)
    parts = datasets.DatasetDict({"train": single, "dev": single.select(range(6)), "unsupervised": single})
    parts.save_to_disk(str(tmp_path / "parts"))
    spec = add_dataset_folder(project, tmp_path / "parts", TaskRequest())
    assert spec.name == "parts"
    assert spec.source.file == "parts/train.parquet"


@pytest.mark.parametrize("damage", ["state", "arrow", "none"])
def test_a_damaged_folder_is_named(project: Project, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "bad"
    rows = datasets.Dataset.from_dict({"a": ["x"] * 30, "b": ["y", "z"] * 15})
    rows.save_to_disk(str(folder))
    if damage == "state":
        (folder / "state.json").write_text('{"_data_files": [{"filename": "../../../etc/passwd"}]}')
    elif damage == "arrow":
        next(folder.glob("*.arrow")).write_bytes(b"not arrow")
    else:
        next(folder.glob("*.arrow")).unlink()
    with pytest.raises(TaskFileError) as caught:
        add_dataset_folder(project, folder, TaskRequest())
    assert caught.value.key == "file.bad_arrow"
    assert list(project.tasks_dir.glob("*")) == []


def test_a_folder_in_use_is_left_alone(project: Project, tmp_path: Path) -> None:
    name = odd_task(project, tmp_path)
    with pytest.raises(TaskFileError, match="not empty"):
        save_folder(project, name, tmp_path)


def test_the_library_stays_out_of_the_page() -> None:
    code = (
        "import app.frame.workbench, core.tasks.changing.hub, core.tasks.changing.dataset_folder, sys\n"
        "print('datasets' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr

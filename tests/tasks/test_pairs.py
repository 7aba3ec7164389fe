"""Which files belong together, which are asked about, and what a column that says the split does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.base.errors import SettingError, TaskFileError
from core.tasks.changing.add_task import add_task, update_task
from core.tasks.changing.attaching import attach_part
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.domain import add_files, require_partner
from core.tasks.changing.pairing import pair_files
from core.tasks.changing.versions import undo_change
from core.tasks.reading.split_words import says_split, split_of_name, split_of_word
from core.tasks.spec import SplitSettings
from core.tasks.store import read_problems, read_rows, task_dir
from core.workspace import Project
from tests.tasks.workbooks import write_book


def write(path: Path, count: int = 30, start: int = 0, label: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"the text of row {i},{label or 'ab'[i % 2]}\n" for i in range(start, start + count))
    path.write_text(f"text,label\n{rows}", encoding="utf-8")
    return path


def shown(pairing: object) -> list[tuple[str, ...]]:
    """Each set as (train, test, validation), names of files."""
    return [tuple("+".join(p.name for p in part) for part in (s.train, s.test, s.validation)) for s in pairing.sets]


# --- names
@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("mail.dev", "validation"), ("test_mail", "test"), ("mail_val", "validation"), ("validation", "validation"),
        ("x-train", "train"), ("MailTest", "test"), ("testMail", "test"), ("mail test 2024", "test"),
        ("训练集", "train"), ("评论测试", "test"), ("テスト", "test"),
        ("mail.валидация", "validation"), ("entraînement", "train"), ("apprentissage", "train"),
        ("contest", None), ("latest", None), ("protest", None), ("trainer", None), ("attestation", None),
        ("developer", None), ("value", None), ("validity", None), ("retrain", None), ("testament", None),
        ("evaluate", None),
        ("checklist", None), ("exam_questions", None), ("train_test", None), ("mail", None), ("intervals", None),
    ],
)  # fmt: skip
def test_only_whole_words_of_a_name_say_the_split(name: str, split: str | None) -> None:
    assert split_of_name(name) == split


@pytest.mark.parametrize(
    ("names", "sets", "lone"),
    [
        (["m.train.csv", "m.dev.csv", "m.test.csv"], [("m.train.csv", "m.test.csv", "m.dev.csv")], []),
        (["train_mail.csv", "test_mail.csv"], [("train_mail.csv", "test_mail.csv", "")], []),
        (["mail_train.csv", "mail_val.csv"], [("mail_train.csv", "", "mail_val.csv")], []),
        (["validation.csv", "test.csv", "train.csv"], [("train.csv", "test.csv", "validation.csv")], []),
        (["mail.csv", "mail-test.tsv"], [("mail.csv", "mail-test.tsv", "")], []),
        (["contest.csv", "latest.csv"], [("contest.csv", "", ""), ("latest.csv", "", "")], []),
        (["m.train.csv", "m.test.csv", "m.test.tsv"], [("m.train.csv", "m.test.csv", "")], ["m.test.tsv"]),
        (["m.train.tsv", "m.test.csv", "m.test.tsv"], [("m.train.tsv", "m.test.tsv", "")], ["m.test.csv"]),
        (["mail.csv", "test.csv"], [("mail.csv", "", "")], ["test.csv"]),
        (["mail.train.csv", "call.test.csv"], [("mail.train.csv", "", "")], ["call.test.csv"]),
        (["dev.csv"], [], ["dev.csv"]),
        (["训练集.csv", "测试集.csv"], [("训练集.csv", "测试集.csv", "")], []),
        (["m-00000-of-00002.csv", "m-00001-of-00002.csv"],
         [("m-00000-of-00002.csv+m-00001-of-00002.csv", "", "")], []),
        (["x-train-00001-of-00002.csv", "x-test-00000-of-00001.csv", "x-train-00000-of-00002.csv"],
         [("x-train-00000-of-00002.csv+x-train-00001-of-00002.csv", "x-test-00000-of-00001.csv", "")], []),
        (["mail_1_of_2.csv", "mail_2_of_2.csv"], [("mail_1_of_2.csv+mail_2_of_2.csv", "", "")], []),
    ],
)  # fmt: skip
def test_files_are_paired_by_their_names(names: list[str], sets: list[tuple[str, ...]], lone: list[str]) -> None:
    found = pair_files([Path(name) for name in names])
    assert (shown(found), [item.path.name for item in found.lone], found.failed) == (sets, lone, ())


def test_folders_may_say_it_too(tmp_path: Path) -> None:
    files = [tmp_path / "data" / split / "x.csv" for split in ("train", "test", "dev")]
    (found,) = pair_files(files).sets
    assert (found.train, found.test, found.validation) == ((files[0],), (files[1],), (files[2],))
    alone = pair_files([tmp_path / "test" / "mails.csv"])  # a folder to try things in is no exam
    assert (len(alone.sets), alone.lone) == (1, ())
    two = [tmp_path / task / f"{split}.csv" for task in ("a", "b") for split in ("test", "train")]
    assert [(s.train[0].parent.name, s.test[0].parent.name) for s in pair_files(two).sets] == [
        ("a", "a"),
        ("b", "b"),
    ]


def test_a_missing_part_is_named() -> None:
    found = pair_files([Path("m-00000-of-00003.csv"), Path("m-00002-of-00003.csv")])
    assert found.sets == ()
    assert found.failed[0][1].values == {"file": "m-00000-of-00003.csv", "parts": 3, "missing": "1"}


def test_label_names_find_their_file() -> None:
    (found,) = pair_files([Path("icd_labels.csv"), Path("icd.train.csv"), Path("icd.test.csv")]).sets
    assert (found.train[0].name, found.labels and found.labels.name) == ("icd.train.csv", "icd_labels.csv")


# --- what becomes of them
def test_three_files_are_one_task(project: Project, tmp_path: Path) -> None:
    files = [
        write(tmp_path / "mail.train.csv", 30),
        write(tmp_path / "mail.test.csv", 6, 28),
        write(tmp_path / "mail.dev.csv", 5, 30),
    ]
    report = add_files(project, files)
    (spec,) = report.added
    assert (spec.name, spec.source.test_file, spec.source.validation_file) == (
        "mail",
        "mail.test.csv",
        "mail.dev.csv",
    )
    assert (spec.num_train, spec.num_validation, spec.num_test) == (
        28,
        1,
        6,
    )  # asked in a stricter part: left out, said
    told = {p.key: p.values for p in read_problems(project, "mail")}
    assert (told["task.in_test"]["count"], told["task.check_in_test"]["count"]) == (2, 4)
    lines = [n for split in ("train", "validation") for n, _ in read_rows(task_dir(project, spec.task_id), split)]
    assert len(lines) == len(set(lines))
    again = update_task(project, "mail", {"split": SplitSettings(0.3, 0.1, 5)}, redraw_exam=True)
    assert (again.num_train, again.num_validation, again.num_test) == (28, 1, 6)  # files stay what they are


def test_a_check_file_without_an_exam_leaves_one_to_be_drawn(project: Project, tmp_path: Path) -> None:
    (spec,) = add_files(project, [write(tmp_path / "train.csv", 30), write(tmp_path / "val.csv", 5, 30)]).added
    assert (spec.num_train, spec.num_validation, spec.num_test) == (27, 5, 3)


def test_parts_are_read_as_one(project: Project, tmp_path: Path) -> None:
    files = [write(tmp_path / f"mail_{i + 1}_of_2.csv", 10, 10 * i) for i in range(2)]
    (spec,) = add_files(project, files).added
    assert (spec.source.file, sum(spec.num_examples.values())) == ("mail_*_of_2.csv", 20)


def test_a_lone_exam_is_asked_about_and_never_trained_on_in_silence(project: Project, tmp_path: Path) -> None:
    path = write(tmp_path / "mail.test.csv")
    report = add_files(project, [path])
    assert (report.added, report.failed, report.lone[0].problem.key) == ([], [], "pair.lone")
    with pytest.raises(TaskFileError, match="called a test set"):
        require_partner(path)
    require_partner(write(tmp_path / "latest.csv"))
    (spec,) = add_files(project, [path], alone=["mail.test.csv"]).added
    assert [p.key for p in read_problems(project, spec.name)] == ["pair.trained_on"]
    add_task(project, path, TaskRequest(name="direct"))
    assert "pair.trained_on" in [p.key for p in read_problems(project, "direct")]


def test_a_file_that_came_later_becomes_the_exam(project: Project, tmp_path: Path) -> None:
    add_files(project, [write(tmp_path / "mail.csv", 40)])
    done = attach_part(project, "mail", write(tmp_path / "mail.test.csv", 10, 35), "test")
    assert (done.count, done.left_out) == (10, 5)
    assert (done.task.num_test, done.task.num_train + done.task.num_validation) == (
        10,
        35,
    )  # the drawn exam practises again
    assert done.task.source.test_file == "mail.test.csv"
    checked = attach_part(project, "mail", write(tmp_path / "mail.dev.csv", 8, 40), "validation")
    assert (checked.count, checked.task.num_validation) == (3, 3)
    replaced = attach_part(project, "mail", write(tmp_path / "exam.csv", 4, 100), "test")
    assert (replaced.task.num_test, replaced.left_out) == (4, 0)
    assert undo_change(project, "mail").num_test == 10
    with pytest.raises(TaskFileError, match="no column"):
        attach_part(
            project, "mail", write_book(tmp_path / "other.xlsx", {"s": [["a", "b"], ["x y z", "c"]]}), "test"
        )
    with pytest.raises(SettingError):
        attach_part(project, "mail", tmp_path / "exam.csv", "train")


# --- columns that say the split
def write_split(path: Path, words: list[str]) -> Path:
    rows = "".join(f"the text of row {i},{'ab'[i % 2]},{word}\n" for i, word in enumerate(words))
    path.write_text(f"text,label,part\n{rows}", encoding="utf-8")
    return path


def test_a_column_that_says_the_split_is_followed_and_unknown_words_are_named(
    project: Project, tmp_path: Path
) -> None:
    words = ["train"] * 20 + ["Test"] * 4 + ["dev"] * 3 + ["holdout"] * 2 + ["test_unseen", ""]
    spec = add_task(project, write_split(tmp_path / "a.csv", words))
    assert (spec.split.method, spec.split.column) == ("column", "part")
    assert (spec.num_train, spec.num_validation, spec.num_test) == (20, 3, 4)
    told = {p.key: p.values for p in read_problems(project, "a")}
    assert told["task.by_column"]["test"] == 4
    assert told["task.unknown_splits"]["words"] == "holdout (2), test_unseen (1), (empty) (1)"
    assert told["task.unknown_splits"]["count"] == 4
    random = add_task(project, tmp_path / "a.csv", TaskRequest(name="random", split=SplitSettings()))
    assert sum(random.num_examples.values()) == len(words)


def test_a_part_that_the_column_does_not_name_is_drawn(project: Project, tmp_path: Path) -> None:
    spec = add_task(project, write_split(tmp_path / "a.csv", ["train"] * 20 + ["dev"] * 4))
    assert (spec.num_train, spec.num_validation, spec.num_test) == (18, 4, 2)


def test_a_column_of_other_words_is_no_split(project: Project, tmp_path: Path) -> None:
    assert not says_split({"train": 5, "bus": 5, "car": 4})  # ways to travel
    assert says_split({"train": 50, "test": 10, "unused": 3})
    assert split_of_word("test_unseen") is None
    spec = add_task(project, write_split(tmp_path / "a.csv", ["train", "bus"] * 15))
    assert spec.split.method == "random"


def test_dealing_anew_by_unknown_words_is_refused(project: Project, tmp_path: Path) -> None:
    add_task(
        project,
        write_split(tmp_path / "a.csv", ["train"] * 20 + ["holdout"] * 4),
        TaskRequest(split=SplitSettings()),
    )
    with pytest.raises(SettingError, match=r"holdout \(4\)"):
        update_task(project, "a", {"split": SplitSettings(0.1, 0.1, 0, "column", "part")}, redraw_exam=True)


def test_splits_inside_one_file_are_followed(project: Project, tmp_path: Path) -> None:
    rows = [{"text": f"the text of row {i}", "label": "ab"[i % 2]} for i in range(30)]
    (tmp_path / "a.json").write_text(json.dumps({"train": rows[:24], "test": rows[24:]}), encoding="utf-8")
    spec = add_task(project, tmp_path / "a.json")
    assert (spec.num_train + spec.num_validation, spec.num_test, spec.inputs) == (24, 6, ("text",))
    cells = [["text", "label"], *([r["text"], r["label"]] for r in rows)]
    book = write_book(
        tmp_path / "b.xlsx",
        {"train": cells[:21], "dev": [cells[0], *cells[21:26]], "test": [cells[0], *cells[26:]]},
    )
    spec = add_task(project, book)
    assert (spec.num_train, spec.num_validation, spec.num_test) == (20, 5, 5)
    lines = [n for split in ("train", "validation") for n, _ in read_rows(task_dir(project, spec.task_id), split)]
    assert len(lines) == len(set(lines))


# --- the examples of our own making
@pytest.mark.parametrize(
    ("folder", "sets", "lone"),
    [
        ("plain", [("train.csv", "test.csv", "validation.csv")], []),
        ("prefix", [("train_mail.csv", "test_mail.csv", "")], []),
        ("split", [("mail-00000-of-00002.csv+mail-00001-of-00002.csv", "", "")], []),
        ("two", [("mail.train.csv", "mail.test.csv", "")], ["mail.test.tsv"]),
        ("val", [("mail_train.csv", "", "mail_val.csv")], []),
    ],
)
def test_the_examples(messy: Path, folder: str, sets: list[tuple[str, ...]], lone: list[str]) -> None:
    found = pair_files(sorted((messy / "24-file-pairs" / folder).iterdir()))
    assert (shown(found), [item.path.name for item in found.lone]) == (sets, lone)


def test_the_example_of_a_split_column(project: Project, messy: Path) -> None:
    spec = add_task(project, messy / "26-split-column" / "part.csv")
    told = {p.key: p.values for p in read_problems(project, spec.name)}
    assert spec.split.column == "part"
    assert all(
        word in told["task.unknown_splits"]["words"] for word in ("holdout", "test_unseen", "unused", "(empty)")
    )

"""The actions on tasks: several files, pasted rows, reading by hand, health and fixes, rows, versions, packs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.commands.conftest import Run
from tests.commands.test_commands import is_one_line


@pytest.fixture
def desk(run: Run, rows_file: Path) -> str:
    run("project", "create", "Desk")
    run("task", "add", "Desk", rows_file)
    return "mails"


def test_several_files_and_a_bad_one(run: Run, rows_file: Path, tmp_path: Path) -> None:
    run("project", "create", "Desk")
    (tmp_path / "bad.csv").write_text("", encoding="utf-8")
    (tmp_path / "t.csv").write_text("text,label\n" + "one two,a\nthree four,b\n" * 9, encoding="utf-8")
    value = run("task", "add", "Desk", rows_file, tmp_path / "bad.csv", tmp_path / "t.csv", "--json").value
    assert [v.get("name") for v in value] == ["mails", "t", None]
    assert value[2]["failed"]["message"].startswith("bad.csv is empty")
    assert is_one_line(run("task", "add", "Desk", tmp_path / "bad.csv", tmp_path / "bad.csv"), "bad.csv is empty")
    assert is_one_line(run("task", "add", "Desk", rows_file, rows_file, "--name", "x"), "--name")
    assert is_one_line(run("task", "add", "Desk"), "No file")


def test_reading_by_hand(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    body = "".join(f"今天天气很好{i}¦{'好差'[i % 2]}\n" for i in range(20))
    path.write_bytes(f"文本¦标签\n{body}".encode("gb18030"))
    wrong = run("task", "preview", path, "--json").value
    assert wrong["columns"] != ["文本", "标签"]
    right = run("task", "preview", path, "--delimiter", "¦", "--encoding", "gb18030", "--json").value
    assert (right["columns"], right["rows"], right["targets"]) == (["文本", "标签"], 20, ["标签"])
    run("project", "create", "Desk")
    added = run("task", "add", "Desk", path, "--delimiter", "¦", "--encoding", "gb18030", "--json").value[0]
    assert (added["encoding"], added["targets"]) == ("gb18030", ["标签"])
    assert is_one_line(run("task", "preview", path, "--encoding", "klingon"), "klingon")


def test_pasted_rows_and_label_names(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("project", "create", "Desk")
    text = "text\tcode\n" + "".join(f"row number {i}\t{i % 2 + 1}\n" for i in range(20))
    (tmp_path / "codes.csv").write_text("code,name\n1,refund\n2,loan\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    words = ["--name", "pasted", "--labels", tmp_path / "codes.csv", "--kind", "classification", "--json"]
    assert run("task", "add", "Desk", "-", *words).value[0]["labels"] == ["loan", "refund"]


def test_splits_are_chosen_and_the_exam_is_locked(run: Run, desk: str) -> None:
    shown = run("task", "show", "Desk", desk, "--json").value
    exam = run("task", "rows", "Desk", desk, "--split", "test", "--json").value["rows"]
    wish = ["--validation", "0.3", "--exam", "0.3", "--seed", "5", "--json"]
    changed = run("task", "set", "Desk", desk, *wish).value
    assert (changed["version"], changed["exam_kept"]) == (shown["version"] + 1, True)
    assert run("task", "rows", "Desk", desk, "--split", "test", "--json").value["rows"] == exam
    redrawn = run("task", "set", "Desk", desk, "--exam", "0.3", "--redraw-exam", "--json").value
    assert redrawn["test"] == 12
    assert is_one_line(run("task", "set", "Desk", desk, "--split-by", "group"), "group", "column")


def test_health_fix_undo_and_export(run: Run, tmp_path: Path) -> None:
    run("project", "create", "Desk")
    rows = [{"text": f"message {i % 60} about cards and money", "label": "ab"[i % 60 % 2]} for i in range(70)]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    run("task", "add", "Desk", tmp_path / "m.jsonl")
    report = run("task", "health", "Desk", "--export", tmp_path / "health.csv", "--json").value
    finding = next(f for f in report["tasks"][0]["findings"] if f["key"] == "health.duplicates")
    assert (finding["count"], finding["fix"]) == (10, "drop_duplicates")
    lines = list(csv.DictReader(io.StringIO((tmp_path / "health.csv").read_text(encoding="utf-8-sig"))))
    assert any("repeat an earlier row" in line["finding"] for line in lines)
    assert "drop_duplicates" in run("task", "health", "Desk", "m").out
    done = run("task", "fix", "Desk", "m", "drop_duplicates", "--json").value
    assert done["rows"] == 10
    assert done["train"] + done["validation"] + done["test"] == 60
    assert run("task", "versions", "Desk", "m", "--json").value["earlier"][0]["change"] == "drop_duplicates"
    difference = run("task", "diff", "Desk", "m", "1", "--export", tmp_path / "d.jsonl", "--json").value
    assert (difference["removed"], difference["added"], difference["settings"]) == (10, 0, {})
    assert len((tmp_path / "d.jsonl").read_text(encoding="utf-8").splitlines()) == 10
    assert run("task", "undo", "Desk", "m", "--json").value["version"] == 1
    assert is_one_line(run("task", "undo", "Desk", "m"), "never changed")
    assert is_one_line(run("task", "fix", "Desk", "m", "magic"), "magic", "drop_duplicates")


def test_rows_are_found_changed_added_moved_and_deleted(run: Run, desk: str, tmp_path: Path) -> None:
    row = run("task", "rows", "Desk", desk, "--find", "MESSAGE 7 ", "--json").value["rows"][0]
    place = f"{row['split']}:{row['line']}"
    assert run("task", "edit", "Desk", desk, place, "--set", "label=perhaps").code == 0
    assert run("task", "rows", "Desk", desk, "--find", "perhaps", "--json").value["rows"][0]["line"] == row["line"]
    assert run("task", "new", "Desk", desk, "--set", "text=new one", "--set", "label=no").code == 0
    assert "by hand" in run("task", "rows", "Desk", desk, "--find", "new one").out
    assert run("task", "move", "Desk", desk, place, "--to", "validation").code == 0
    assert run("task", "delete", "Desk", desk, f"validation:{row['line']}").code == 0
    assert run("task", "rows", "Desk", desk, "--json").value["total"] == 40
    assert run("task", "rows", "Desk", desk, "--export", tmp_path / "rows.csv").code == 0
    assert len((tmp_path / "rows.csv").read_text(encoding="utf-8-sig").splitlines()) == 41
    assert is_one_line(run("task", "delete", "Desk", desk, "12"), "SPLIT:LINE")
    assert is_one_line(run("task", "edit", "Desk", desk, "train:999", "--set", "label=x"), "999")
    assert is_one_line(run("task", "new", "Desk", desk, "--set", "nowhere=x"), "nowhere")


def test_wordings_and_what_the_model_sees(run: Run, desk: str) -> None:
    words = ["--more-template", "{text} :: {instruction}", "--system", "You sort mail.", "--instruction", "Sort."]
    assert run("task", "set", "Desk", desk, *words).code == 0
    shown = run("task", "show", "Desk", desk, "--json").value
    assert (shown["templates"], shown["system"]) == (["{text} :: {instruction}"], "You sort mail.")
    seen = run("task", "see", "Desk", desk, "--rows", "30", "--json").value["examples"]
    assert all(e["read"].startswith("<|system|>\nYou sort mail.<|end|>") for e in seen)
    assert {":: Sort." in e["read"] for e in seen} == {True, False}
    assert all(e["learned"].endswith("<|end|>") and e["num_read"] <= e["limit"] for e in seen)
    assert is_one_line(run("task", "set", "Desk", desk, "--template", "{nowhere}"), "nowhere")
    assert is_one_line(run("task", "set", "Desk", desk), "--help")
    assert is_one_line(run("task", "see", "Desk", desk, "--base-model", "no/such-model"), "tokenizer.json")


def test_problems_of_the_import_are_listed_and_exported(run: Run, tmp_path: Path) -> None:
    run("project", "create", "Desk")
    good = "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(30))
    (tmp_path / "r.csv").write_text(f"text,label\none,two,three\n{good}", encoding="utf-8")
    assert "line 2" in run("task", "add", "Desk", tmp_path / "r.csv").out
    listed = run("task", "problems", "Desk", "r")
    assert "3 cells where 2 were expected" in listed.out
    assert "\n    one,two,three" in listed.out  # the row itself
    assert run("task", "problems", "Desk", "r", "--json").value["problems"][0]["values"]["raw"] == "one,two,three"
    assert run("task", "problems", "Desk", "r", "--export", tmp_path / "p.csv").code == 0
    exported = (tmp_path / "p.csv").read_text(encoding="utf-8-sig")
    assert "line 2" in exported
    assert '"one,two,three"' in exported


def test_mixture_and_few_rows(run: Run, desk: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\n" + "one two,a\nthree four,b\n" * 100, encoding="utf-8")
    run("task", "add", "Desk", tmp_path / "t.csv")
    equal = run("task", "mixture", "Desk", "--set", "mixture=balanced", "--json").value
    assert [v["share"] for v in equal] == [0.5, 0.5]
    few = run("task", "mixture", "Desk", "--set", "few_shot=3", "--set", "epochs=2", "--json").value
    assert few[0]["rows"] == 6
    assert few[0]["passes"] >= 2


def test_a_project_travels_as_one_file(run: Run, desk: str, tmp_path: Path) -> None:
    run("task", "set", "Desk", desk, "--instruction", "Sort it.")
    assert run("project", "export", "Desk", tmp_path / "desk.zip").code == 0
    made = run("project", "import", tmp_path / "desk.zip", "--name", "Copy", "--json").value
    assert (made["name"], made["tasks"]) == ("Copy", [desk])
    ours, theirs = (run("task", "show", p, desk, "--json").value for p in ("Desk", "Copy"))
    assert ours == theirs
    assert run("task", "undo", "Copy", desk, "--json").value["version"] == 1
    (tmp_path / "no.zip").write_bytes(b"PK")
    assert is_one_line(run("project", "import", tmp_path / "no.zip"), "not a project pack")


def test_a_file_that_may_be_meant_in_two_ways_is_asked_about(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text("a;b,c\nred;one,hot\nblue;two,cold\ngreen;one,hot\nred;two,cold\n", encoding="utf-8")
    doubt = next(d for d in run("task", "preview", path, "--json").value["doubts"] if d["about"] == "delimiter")
    assert doubt["choose"] == {"taken": "--delimiter ,", "other": "--delimiter ';'"}
    assert doubt["taken"]["columns"] == ["a;b", "c"]
    assert "QUESTION: mixed.csv may have its cells split" in run("task", "preview", path).out
    other = run("task", "preview", path, "--delimiter", ";", "--header", "--json").value
    assert other["columns"] == ["a", "b,c"]
    assert other["doubts"] == []
    run("project", "create", "Asked")
    run("task", "add", "Asked", path)
    settle = ("task", "settle", "Asked", "mixed")
    asked = [doubt["about"] for doubt in run(*settle, "--json").value["doubts"]]
    assert "QUESTION: mixed.csv may have its cells split" in run(*settle).out
    told = run("ready", "Asked")
    assert "it is not certain what its file means" in told.out
    assert "Ready, with doubts." in told.out
    number = 1 + asked.index("delimiter")
    assert is_one_line(run(*settle, "--taken", "--question", 9), "has no open question 9")
    assert run(*settle, "--other", "--question", number, "--file", path, "--json").value["inputs"] == ["a"]
    for _ in asked:
        if run(*settle, "--json").value["doubts"]:
            assert run(*settle, "--taken").code == 0
    assert "not certain" not in run("ready", "Asked").out

"""What is one label and what two, which characters belong to a text, and that a fix does what its finding named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from core.tasks.changing.add_task import add_task, update_task
from core.tasks.changing.attaching import attach_part
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.fixes import FIXES, apply_fix
from core.tasks.changing.versions import read_all_rows, undo_change
from core.tasks.health.characters import character_faults, clean_text
from core.tasks.health.report import health_report
from core.tasks.health.spelling import alike_labels, label_slips
from core.tasks.spec import SplitSettings
from core.tasks.store import get_task, task_dir
from core.workspace import Project

DIFFERENT = [
    ("-1", "1", "0", "+1"),
    ("A+", "A", "A-", "a+"),
    ("O+", "O-", "AB+", "AB-"),
    ("C", "C++", "C#", "c"),
    ("1.0", "10", "100", "0.1"),
    ("yes", "no"),
    ("true", "false"),
    ("+", "-", "±", "="),
    ("positive", "negative"),
    ("A", "a", "B", "b"),
    ("m2", "m²", "m³"),
    ("★", "★★"),
    ("007", "7", "07"),
    ("1,000", "1"),
    ("1-0", "10", "0-1"),
    (">50", "<50", "50"),
    ("not ok", "ok"),
    ("typical", "atypical"),
    ("employer", "employee"),
    ("Group A", "Group B"),
    ("hepatitis B", "hepatitis C"),
    ("1/2", "12", "½"),
    ("up", "down", "UP!"),
]
ONE = [
    ("2", "2.0"),
    ("2,5", "2.5"),
    ("-1", "\u22121"),
    ("Spam", "spam"),
    ("spam", "spam "),
    ("spam", "ｓｐａｍ"),
    ("Ｎｏ１", "No1"),
    ("spam", "spam\u200b"),
    ("card_lost", "Card lost"),
    ("don't know", "don’t know"),
    ("é", "e\u0301"),
    ("TRUE", "true"),
    ("No", "NO"),
    ("über uns", "Über  uns"),
    ("ｶﾞｽ", "ガス"),
]


@pytest.mark.parametrize("labels", DIFFERENT)
def test_different_labels_are_never_offered_for_merging(labels: tuple[str, ...]) -> None:
    for counts in (dict.fromkeys(labels, 20), {label: 400 // 20**i or 1 for i, label in enumerate(labels)}):
        assert alike_labels(Counter(counts)) == []
        assert label_slips(Counter(counts)) == []


@pytest.mark.parametrize(("common", "rare"), ONE)
def test_true_doubles_are_offered(common: str, rare: str) -> None:
    assert alike_labels(Counter({common: 9, rare: 2, "other": 5})) == [(rare, common)]


def test_slips_are_pointed_at_and_not_merged(project: Project, tmp_path: Path) -> None:
    assert label_slips(Counter({"positive": 50, "postive": 1, "negative": 40})) == [("postive", "positive")]
    assert label_slips(Counter({"transfer": 50, "transferr": 1, "transfar": 20})) == [("transferr", "transfer")]
    labels = ["positive", "negative"] * 30 + ["postive"]
    name = add(project, tmp_path, [(f"what a day it was, number {i}", label) for i, label in enumerate(labels)])
    found = {f.key: f for f in health_report(project).tasks[0].findings}
    assert "postive" in found["health.label_slips"].values["pairs"]
    assert found["health.label_slips"].fix == ""
    assert apply_fix(project, name, "merge_labels").count == 0


def test_merged_labels_are_the_labels_of_rows_and_instruction(project: Project, tmp_path: Path) -> None:
    labels = ["oui", "non", "oui", "non", "oui", "non", "Oui", "NON", "oui", "non"] * 3
    name = add(project, tmp_path, [(f"what a day it was, number {i}", label) for i, label in enumerate(labels)])
    assert "NON, Oui, non, oui" in get_task(project, name).instruction
    merged = apply_fix(project, name, "merge_labels").task
    assert "one of: non, oui." in merged.instruction
    assert {r.row["label"] for r in read_all_rows(task_dir(project, merged.task_id))} == {"oui", "non"}
    assert "NON, Oui, non, oui" in undo_change(project, name).instruction
    (tmp_path / "exam.csv").write_text("text,label\nhow it was,OUI\nwhat it was,peut-être\n", encoding="utf-8")
    apply_fix(project, name, "merge_labels")
    attached = attach_part(project, name, tmp_path / "exam.csv", "test")
    assert "one of: non, oui, peut-être." in attached.task.instruction
    update_task(project, name, {"instruction": "My own words: Oui or NON?"})
    assert apply_fix(project, name, "merge_labels").task.instruction == "My own words: Oui or NON?"


BELONGS = [
    "می‌روم در خانه‌ای",  # half-spaces
    "क्\u200dष",
    "👩\u200d👩\u200d👧 and 🏳\ufe0f\u200d🌈",
    "\u200fשלום abc\u200e 123",
    "ไทย\u200bคำ",
    "https://a.example/x?id=1&copy=2&section=3&reg=eu&not=1",
    "R&D; AT&T; a < b > c",
    "    if x < 0:\n        print('<b>ok</b> &amp; done')",
    "def f(a):\n\treturn a",
    "for (;;) { x &lt; y; }\n  done();",
    "  two blanks in front and behind  ",
    "prix : 5\u00a0€",
    "你好，世界",
]
FAULTS = [
    ("Tom &amp; Ann &lt;b&gt; 0", "Tom & Ann <b> 0"),
    ("see https://a.example/?a=1&amp;copy=2 &copy; me", "see https://a.example/?a=1&copy=2 © me"),
    ("  kept &quot;blanks&quot; ", '  kept "blanks" '),
    ("<p>Hello</p><p>World</p>", "Hello World"),
    ("a <b>bold</b> word", "a bold word"),
    ("zero\u200bwidth and so\u00adft", "zerowidth and soft"),
    ("lone \u200f mark", "lone  mark"),
    ("caf\u00c3\u00a9", "café"),
    ("bell\x07 and\x0bbreak", "bell and\nbreak"),
    ("&#233;t&#xE9;", "été"),
    ("\ufefftext", "text"),
]


@pytest.mark.parametrize("text", BELONGS)
def test_what_a_language_needs_is_no_fault(text: str) -> None:
    assert character_faults(text) == []
    assert clean_text(text) == text


@pytest.mark.parametrize(("text", "clean"), FAULTS)
def test_faults_are_named_and_mended(text: str, clean: str) -> None:
    assert character_faults(text)
    assert clean_text(text) == clean
    assert clean_text(clean) in (clean, clean_text(clean))


def test_what_is_lost_is_named_and_left_alone() -> None:
    assert character_faults("caf\ufffd") == ["replacement"]
    assert clean_text("caf\ufffd") == "caf\ufffd"


def add(project: Project, folder: Path, rows: list[tuple[str, str]], name: str = "t") -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(json.dumps({"text": t, "label": x}) for t, x in rows), encoding="utf-8")
    request = TaskRequest(inputs=("text",), targets=("label",), split=SplitSettings(0, 0.2, seed=3))
    return add_task(project, path, request).name


def messy(project: Project, shared_tasks: Path, folder: str) -> dict[str, set[str]]:
    """The findings of every file of a folder."""
    found = {}
    for path in sorted((shared_tasks.parent / "messy" / folder).glob("*.csv")):
        spec = add_task(project, path)
        report = health_report(project, [spec.name]).tasks[0]
        found[path.stem] = {f.key for f in report.findings}
    return found


def test_messy_labels_that_look_alike(project: Project, shared_tasks: Path) -> None:
    found = messy(project, shared_tasks, "01-alike-labels") | messy(project, shared_tasks, "22-labels-with-marks")
    assert len(found) == 14
    assert not [name for name, keys in found.items() if keys & {"health.alike_labels", "health.label_slips"}]


def test_messy_characters(project: Project, shared_tasks: Path) -> None:
    found = messy(project, shared_tasks, "16-invisible-characters")
    assert {name for name, keys in found.items() if "health.characters" in keys} == {"urls"}
    assert apply_fix(project, "persian", "clean_characters").count == 0
    assert apply_fix(project, "code", "clean_characters").count == 0
    before = {r.line: r.row for r in read_all_rows(task_dir(project, health_id(project, "urls")))}
    apply_fix(project, "urls", "clean_characters")
    after = {r.line: r.row for r in read_all_rows(task_dir(project, health_id(project, "urls")))}
    changed = {line for line in after if after[line] != before[line]}
    assert all("&amp;" in before[line]["text"] for line in changed)
    assert all("&copy=2" in row["text"] for row in after.values() if "example" in row["text"])


def health_id(project: Project, name: str) -> str:
    return next(t.task_id for t in health_report(project).tasks if t.name == name)


def test_one_label_only_is_said(project: Project, tmp_path: Path) -> None:
    add(project, tmp_path, [(f"what a day it was, number {i}", "urgent") for i in range(60)])
    found = {f.key: f for f in health_report(project).tasks[0].findings}
    assert found["health.single_label"].values["label"] == "urgent"


TROUBLED = [
    *[(f"the quick brown fox jumps over the lazy dog number {i % 40}", "a" if i % 2 else "b") for i in range(60)],
    *[(f"a rather long sentence about the weather of day {i} in town", "c") for i in range(20)],
    ("please\u200b come", "a"),
    ("x &amp; y", "b"),
    ("write to jo@example.org", "a"),
    ("a rather long sentence about the weather of day 3 in town indeed", "c"),
    ("", "a"),
    ("no answer", ""),
    ("spelled", "A-class"),
    ("spelled so", "a class"),
]


@pytest.mark.parametrize("fix", FIXES.names())
def test_a_fix_touches_only_the_rows_of_its_finding(project: Project, tmp_path: Path, fix: str) -> None:
    """Also as the second task of a project; and one undo brings every row back."""
    add(project, tmp_path, [(f"something else entirely {i} " * 3, "q") for i in range(30)], "first")
    name = add(project, tmp_path, TROUBLED, "second")
    findings = [f for f in health_report(project).tasks[1].findings if f.fix == fix]
    named = {place for f in findings for place in f.places}
    folder = task_dir(project, health_id(project, name))
    before = read_all_rows(folder)
    done = apply_fix(project, name, fix)
    after = {(r.split, r.line): r.row for r in read_all_rows(folder)}
    touched = {(r.split, r.line) for r in before if after.get((r.split, r.line)) != r.row}
    assert touched <= named
    assert bool(findings) == bool(done.count)
    if done.count:
        undo_change(project, name)
        assert read_all_rows(folder) == before

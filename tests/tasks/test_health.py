"""The health report finds what was planted, says where, mends it on request, and every fix can be undone."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import SettingError, WorkspaceError
from core.messages import MESSAGES
from core.models.known_models import STARTER_DIR
from core.tasks.changing.add_task import add_task, update_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.editing import add_rows
from core.tasks.changing.fixes import FIXES, apply_fix, mask_text
from core.tasks.changing.versions import compare_versions, export_difference, list_versions, undo_change
from core.tasks.cuts import LengthLimit
from core.tasks.health.characters import clean_text
from core.tasks.health.near_duplicates import NearIndex, near_pairs, text_overlap, tokens
from core.tasks.health.report import Finding, harm_of, health_report
from core.tasks.health.texts import language_of, passes_luhn
from core.tasks.spec import SplitSettings
from core.tasks.store import get_task, read_rows, stored_problems, task_dir
from core.tasks.token_estimate import estimate_tokens
from core.tasks.token_file import TokenFile
from core.workspace import Project

WORDS = (
    "river",
    "stone",
    "window",
    "garden",
    "letter",
    "morning",
    "silver",
    "market",
    "doctor",
    "bridge",
    "yellow",
    "engine",
    "paper",
    "forest",
)
NO_SPLIT = SplitSettings(0, 0)


def sentence(rng: random.Random, count: int = 9) -> str:
    return "the " + " ".join(rng.choice(WORDS) for _ in range(count)) + f" {rng.randrange(10**6)}"


def healthy_rows(count: int = 120) -> list[dict[str, Any]]:
    rng = random.Random(3)
    return [{"text": sentence(rng), "label": "AB"[i % 2] + "-class"} for i in range(count)]


def add(
    project: Project,
    folder: Path,
    train: list[dict[str, Any]],
    test: list[dict[str, Any]] | None = None,
    **request: Any,
) -> str:
    paths = []
    for name, rows in (("t.jsonl", train), ("e.jsonl", test)):
        if rows is not None:
            (folder / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
            paths.append(folder / name)
    settings = {"split": NO_SPLIT, "inputs": ("text",), "targets": ("label",), **request}
    return add_task(project, paths[0], TaskRequest(test_path=paths[1] if test else None, **settings)).name


def findings(project: Project, **options: Any) -> dict[str, Finding]:
    return {f.key: f for f in health_report(project, **options).tasks[0].findings}


def places(project: Project, key: str) -> list[int]:
    return [line for _, line in findings(project)[key].places]


def test_a_healthy_task_has_no_warnings(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows(160)
    add(project, tmp_path, rows[:120], rows[120:])
    report = health_report(project)
    assert [finding.key for finding in report.tasks[0].findings] == ["health.no_check"]
    assert report.across == ()
    statistics = report.tasks[0].statistics
    assert statistics["rows"] == {"train": 120, "validation": 0, "test": 40}
    assert [(s["label"], s["train"], len(s["samples"])) for s in statistics["labels"]] == [
        ("A-class", 60, 3),
        ("B-class", 60, 3),
    ]
    assert sum(b["rows"] for b in statistics["input_tokens"]["histogram"]) == 160
    json.dumps(report.as_dict())


def test_what_no_majority_decides_stays(project: Project, tmp_path: Path) -> None:
    """One row against one: the fix is not offered, and called all the same it drops nothing."""
    name = add(project, tmp_path, plant(healthy_rows(), {7: {"text": "=3", "label": "A-class"}}))
    assert findings(project)["health.conflicts"].fix == ""
    assert apply_fix(project, name, "keep_majority")[1] == 0


def test_labels_that_the_exam_counts_as_the_same_are_not_unseen(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows(160)
    exam = [{**row, "label": row["label"].upper()} for row in rows[120:]]
    added = add(project, tmp_path, rows[:120], exam)
    told = {p.key for p in stored_problems(task_dir(project, get_task(project, added).task_id))}
    assert "task.exam_spelling" in told
    assert {"task.exam_labels", "task.exam_same"}.isdisjoint(told)
    assert "health.alike_labels" in findings(project)
    assert {"health.unseen_labels", "health.unasked_labels", "health.unasked_labels_own"}.isdisjoint(
        findings(project)
    )


@pytest.mark.parametrize(("own", "theirs"), [("A", "a"), ("Yes", "Yes."), ("B2", "b2"), ("ham", '"ham"')])
def test_a_spelling_that_health_does_not_offer_is_not_said_to_be(
    project: Project, tmp_path: Path, own: str, theirs: str
) -> None:
    rows = [{**row, "label": own if row["label"] == "A-class" else row["label"]} for row in healthy_rows(160)]
    exam = [{**row, "label": theirs if row["label"] == own else row["label"]} for row in rows[120:]]
    added = add(project, tmp_path, rows[:120], exam)
    told = {p.key for p in stored_problems(task_dir(project, get_task(project, added).task_id))}
    offered = "health.alike_labels" in findings(project)
    assert ("task.exam_spelling" in told, "task.exam_same" in told) == (offered, not offered)


def test_the_most_harmful_stands_first() -> None:
    few = [Finding("health.few_rows", "warning", n) for n in (12, 3)]
    found = [Finding("health.duplicates", "warning", 40), *few, Finding("health.unseen_labels", "warning", 4)]
    order = [(f.key, f.count) for f in sorted(found, key=harm_of)]
    keys = [("few_rows", 3), ("few_rows", 12), ("unseen_labels", 4), ("duplicates", 40)]
    assert order == [(f"health.{key}", count) for key, count in keys]


def test_a_label_that_the_exam_never_asks_for_is_told(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows(160)
    exam = [row for row in rows[120:] if row["label"] == "A-class"]
    add(project, tmp_path, rows[:120], exam)
    found = findings(project)["health.unasked_labels_own"]
    assert (found.count, found.severity, found.values["labels"]) == (1, "warning", "B-class")


PLANTED: dict[str, tuple[dict[int, dict[str, Any]], list[int], str]] = {
    # key: ({index: changed fields}, lines that must be named, fix)
    "health.empty": ({4: {"label": " "}, 9: {"text": ""}}, [5, 10], "drop_empty"),
    "health.conflicts": ({5: {"text": "=3"}, 7: {"text": "=3", "label": "A-class"}}, [4, 6, 8], "keep_majority"),
    "health.duplicates": ({7: {"text": "=3", "label": "=3"}}, [8], "drop_duplicates"),
    "health.near_duplicates": ({7: {"text": "=3!", "label": "=3"}}, [8], "drop_near_duplicates"),
    "health.alike_labels": ({7: {"label": "b class"}}, [8], "merge_labels"),
    "health.rare_labels": ({7: {"label": "zebra"}}, [], ""),
    "health.characters": (
        {5: {"text": "a\u200bb caf\u00c3\u00a9"}, 6: {"text": "x &amp; y"}},
        [6, 7],
        "clean_characters",
    ),
    "health.personal": (
        {5: {"text": "mail me at jo@example.org"}, 6: {"text": "card 4111 1111 1111 1111"}},
        [6, 7],
        "mask_personal",
    ),
    "health.languages": ({i: {"text": f"der Hund und die Katze ist nicht da {i}"} for i in range(20)}, [], ""),
}


def plant(rows: list[dict[str, Any]], changes: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    for index, change in changes.items():
        for field, value in change.items():
            if isinstance(value, str) and value.startswith("="):
                value = rows[int(value[1:].rstrip("!"))][field] + (" indeed" if value.endswith("!") else "")
            rows[index][field] = value
    return rows


@pytest.mark.parametrize("key", PLANTED)
def test_planted_faults_are_found_mended_and_brought_back(project: Project, tmp_path: Path, key: str) -> None:
    changes, lines, fix = PLANTED[key]
    name = add(project, tmp_path, plant(healthy_rows(), changes))
    finding = findings(project)[key]
    assert finding.fix == fix
    assert [line for _, line in finding.places] == lines
    wanted = {n for part in MESSAGES[key] for _, n, _, _ in string.Formatter().parse(part) if n}
    assert wanted <= {"count", *finding.values}
    if not fix:
        return
    before = state(project, name)
    _, count, _ = apply_fix(project, name, fix)
    assert count >= 1
    assert key not in findings(project)
    assert apply_fix(project, name, fix)[1] == 0
    assert [v.change for v in list_versions(project, name)] == [fix]
    undo_change(project, name)
    assert state(project, name) == before
    assert key in findings(project)
    with pytest.raises(WorkspaceError, match="never changed"):
        undo_change(project, name)


def state(project: Project, name: str) -> dict[str, Any]:
    spec = get_task(project, name)
    folder = task_dir(project, spec.task_id)
    return {"spec": spec, **{s: list(read_rows(folder, s)) for s in ("train", "validation", "test")}}


def test_leaks_exact_and_near_and_across_tasks(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows(160)
    exam = [
        {**rows[0], "label": rows[0]["label"]},
        {"text": rows[1]["text"] + " indeed", "label": rows[1]["label"]},
        *rows[120:],
    ]
    name = add(project, tmp_path, rows[:120], rows[120:])
    update_exam(project, name, exam)
    found = findings(project)
    assert (found["health.leaks"].severity, found["health.leaks"].places) == ("error", (("train", 1),))
    assert found["health.near_leaks"].places == (("train", 2),)
    apply_fix(project, name, "drop_leaks")
    apply_fix(project, name, "drop_near_leaks")
    assert {"health.leaks", "health.near_leaks"}.isdisjoint(findings(project))
    assert get_task(project, name).num_train == 118
    (tmp_path / "other").mkdir()
    near = {"text": rows[140]["text"] + " indeed", "label": rows[140]["label"]}
    add(project, tmp_path / "other", [*healthy_rows(60)[10:], rows[130], near], name="Other")
    across = {(f.key, f.values["task"], f.values["other"]): f for f in health_report(project).across}
    exact, close = (across[(key, "Other", name)] for key in ("health.leak_across", "health.near_leak_across"))
    assert (exact.count, exact.values["example"]) == (1, rows[130]["text"])
    assert (close.count, close.values["example"]) == (1, near["text"])


def test_near_leaks_into_the_check_set(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows(120)
    name = add(project, tmp_path, rows)
    update_task(project, name, {"split": {"validation": 0.2, "test": 0.0}})
    line, checked = next(iter(read_rows(task_dir(project, get_task(project, name).task_id), "validation")))
    add_rows(project, name, [{**checked, "text": checked["text"] + " indeed"}])
    found = findings(project)
    assert found["health.near_leaks_check"].places[0][0] == "train"
    assert "health.near_leaks" not in found
    assert apply_fix(project, name, "drop_near_check_leaks")[1:] == (1, 0)
    assert "health.near_leaks_check" not in findings(project)
    assert line in [n for n, _ in read_rows(task_dir(project, get_task(project, name).task_id), "validation")]


def test_fixes_say_when_they_touch_the_exam(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows(120)
    name = add(project, tmp_path, rows, [{**rows[0], "text": "please\u200b write to a@b.org"}, *rows[1:40]])
    assert apply_fix(project, name, "clean_characters")[1:] == (1, 1)
    assert apply_fix(project, name, "mask_personal")[1:] == (1, 1)


def test_tokens_are_counted_by_the_models_own_tokenizer(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows()
    rows[11]["text"] = "xqzj " * 60  # a tokenizer needs far more tokens for this than letters / 4
    add(project, tmp_path, rows)
    estimated = health_report(project, limit=LengthLimit(180)).tasks[0]
    counted = health_report(project, limit=LengthLimit(180, token_file=str(STARTER_DIR))).tasks[0]
    assert "health.cut" not in {f.key for f in estimated.findings}
    assert {f.key: f.places for f in counted.findings}["health.cut"] == (("train", 12),)
    longest = max(TokenFile(STARTER_DIR).count([r["text"] for r in rows]))
    assert counted.statistics["input_tokens"]["largest"] == longest


def update_exam(project: Project, name: str, exam: list[dict[str, Any]]) -> None:
    """Writes exam rows past the import, which would have taken the leaks out of training itself."""
    path = task_dir(project, get_task(project, name).task_id) / "test.jsonl"
    path.write_text("".join(json.dumps({"line": i, "row": r}) + "\n" for i, r in enumerate(exam)), encoding="utf-8")


def test_cut_rows_follow_the_limit(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows()
    rows[11]["text"] = "word " * 400
    add(project, tmp_path, rows)
    assert "health.cut" not in findings(project)
    assert findings(project, limit=LengthLimit(300))["health.cut"].places == (("train", 12),)
    assert "health.cut" not in findings(project, limit=LengthLimit(1000))


def test_small_and_uneven_and_unseen(project: Project, tmp_path: Path) -> None:
    rows = healthy_rows(45)
    rows[0]["label"] = "C"
    add(
        project,
        tmp_path,
        [*rows, *({"text": f"more text {i} here", "label": "B-class"} for i in range(3))],
        [{"text": "new", "label": "never seen"}],
    )
    found = findings(project)
    assert {"health.some_rows", "health.few_exam", "health.unseen_labels", "health.uneven_labels"} <= set(found)
    assert found["health.few_exam"].severity == "warning"
    assert found["health.unseen_labels"].places == (("test", 1),)


def test_questions_about_one_passage_are_not_near_duplicates(project: Project, tmp_path: Path) -> None:
    rng = random.Random(1)
    passage = sentence(rng, 80)
    rows = [{"passage": passage, "question": sentence(rng, 4), "label": WORDS[i % 14]} for i in range(60)]
    add(project, tmp_path, rows, inputs=("passage", "question"))
    assert "health.near_duplicates" not in findings(project)


def test_versions_can_be_compared(project: Project, tmp_path: Path) -> None:
    rows = plant(healthy_rows(), {7: {"text": "=3", "label": "=3"}, 9: {"text": "write to jo@example.org"}})
    name = add(project, tmp_path, rows)
    apply_fix(project, name, "drop_duplicates")
    spec = apply_fix(project, name, "mask_personal").task
    assert spec.version == 3
    differences = compare_versions(project, name, 1)
    assert [(d.line, d.after is None) for d in differences] == [(8, True), (10, False)]
    assert json.loads(export_difference(differences).splitlines()[1])["after"]["text"] == "write to [EMAIL]"
    assert [(v.number, v.change, v.count) for v in list_versions(project, name)] == [
        (1, "drop_duplicates", 1),
        (2, "mask_personal", 1),
    ]
    update_task(project, name, {"split": SplitSettings(0.2, 0.2, 1)})
    assert [v.change for v in list_versions(project, name)][-1] == "split"
    undo_change(project, name)
    assert get_task(project, name).num_train == spec.num_train
    with pytest.raises(WorkspaceError):
        compare_versions(project, name, 77)
    with pytest.raises(SettingError):
        apply_fix(project, name, "magic")
    assert len(FIXES.names()) >= 9


def test_minhash_finds_what_all_pairs_finds() -> None:
    rng = random.Random(7)
    texts = [" ".join(f"w{rng.randrange(500)}" for _ in range(14)) for _ in range(300)]
    for i in range(0, 60, 2):  # every second of the first texts gets a near copy beside it
        words = texts[i].split()
        words[rng.choice((0, -1))] = "other"
        texts[i + 1] = " ".join(words)
    truth = {(a, b) for a in range(300) for b in range(a + 1, 300) if text_overlap(texts[a], texts[b]) >= 0.8}
    found = near_pairs(texts, NearIndex().signatures(texts))
    assert len(truth) >= 30
    assert set(found) <= truth
    assert len(found) >= 0.9 * len(truth)
    assert found == near_pairs(texts, NearIndex().signatures(texts))
    assert near_pairs([], NearIndex().signatures([])) == []
    assert near_pairs(["a b", "a b"], NearIndex().signatures(["a b", "a b"])) == []  # too short to be told apart


def test_one_bucket_of_thousands_stays_quick() -> None:
    texts = [f"the same sentence again and again with number {i % 3}" for i in range(5000)]
    assert len(near_pairs(texts, NearIndex().signatures(texts))) < 40_000


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("what is the weather in the city", "English"),
        ("der Hund ist nicht da und ich bin mit dir", "German"),
        ("今天天气很好", "Chinese"),
        ("今日はいい天気です", "Japanese"),
        ("오늘 날씨가 좋아요", "Korean"),
        ("12345", ""),
        ("сегодня хорошая погода", "Russian"),
        ("les enfants et la maison est dans une rue", "French"),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of(text) == language


def test_small_tools() -> None:
    assert clean_text("a\u200bb &amp; <br/>c\x07\u00a0d") == "ab & c\u00a0d"
    assert clean_text("caf\u00c3\u00a9") == "caf\u00e9"
    assert mask_text("jo@example.org, +49 170 1234567, 4111111111111111, 4111111111111112, 10.0.0.1") == (
        "[EMAIL], [PHONE], [CARD], 4111111111111112, [ADDRESS]"
    )
    assert (
        mask_text("in 2019 we sold 1,234.50 units on 2020-01-02") == "in 2019 we sold 1,234.50 units on 2020-01-02"
    )
    assert passes_luhn("79927398713")
    assert not passes_luhn("79927398710")
    assert tokens("It's 你好, ok") == ["it", "s", "你", "好", "ok"]
    assert estimate_tokens("你好世界") == 5

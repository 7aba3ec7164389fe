"""Every warning of a plan has its remedy: what it changes, what it costs, and that it helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import Problem
from core.commands.ready import _lines
from core.runs.folded_notes import fold_notes
from core.runs.plan_fixes import PlanFix, Planned, is_doubtful, plan_fixes
from core.runs.ready import ReadyReport, ready_report
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.domain import add_files
from core.tasks.changing.settling import settle_doubt
from core.tasks.dataset import TaskDataset
from core.tasks.store import read_doubts
from core.training.config import RunConfig, apply_assignments, change_config
from core.training.failures import remedy_changes
from core.training.plan import load_run_dataset, rows_at_once, smaller_batch
from core.workspace import Project, Workspace

CONFIG = RunConfig(mixture="proportional")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Long texts, three rows, and a task as it should be."""
    root = tmp_path_factory.mktemp("plans")
    project = Workspace(root).create_project("plans")
    texts = {
        "long": [f"{'the patient was given tea and rest ' * 90}{n},{'ab'[n % 2]}" for n in range(200)],
        "two; rows": ["good,yes", "bad,no", "fine,yes"],
        "short": [f"room {n} was clean,{'xy'[n % 2]}" for n in range(200)],
    }
    for name, rows in texts.items():
        path = root / "rows.csv"
        path.write_text("\n".join(["text,label", *rows]), encoding="utf-8")
        add_task(project, path, TaskRequest(name=name))
    return project


def fixes_of(report: ReadyReport, key: str) -> list[PlanFix]:
    pairs = zip(report.problems, report.fixes, strict=True)
    return [fix for problem, fixes in pairs if problem.key == key for fix in fixes]


def test_a_longer_limit_has_its_price_and_helps(project: Project) -> None:
    report = ready_report(project, CONFIG)
    longer, drop = fixes_of(report, "check.long_rows")
    assert list(longer.changes) == ["max_tokens"]
    assert longer.changes["max_tokens"] > CONFIG.max_tokens
    assert longer.time is not None
    assert 0.05 < longer.time < 3.0
    assert drop.time is not None
    assert drop.time < 0
    after = ready_report(project, change_config(CONFIG, longer.changes))
    assert "check.long_rows" not in {problem.key for problem in after.problems}


def test_a_limit_that_the_model_cannot_read_is_not_offered(project: Project) -> None:
    report = ready_report(project, change_config(CONFIG, {"max_tokens": 1024}))
    assert all("max_tokens" not in fix.changes for fix in fixes_of(report, "check.long_rows"))


def test_a_task_is_left_out_by_one_setting_and_undone_by_hand(project: Project) -> None:
    report = ready_report(project, CONFIG)
    rows, drop = fixes_of(report, "check.few_train")
    assert (rows.screen, rows.changes) == ("tasks", {})
    config = change_config(CONFIG, drop.changes)
    assert load_run_dataset(project, config).names() == ["long", "short"]  # a name with ; is left out by its id
    again = ready_report(project, config)
    assert set(again.shares) == {"long", "short"}
    assert not fixes_of(again, "check.few_train")
    assert load_run_dataset(project, apply_assignments(config, ["left_out_tasks=none"])).names() == [
        "long",
        "two; rows",
        "short",
    ]


def test_rows_stay_with_their_task_when_one_before_it_is_left_out(project: Project) -> None:
    dataset = load_run_dataset(project, change_config(CONFIG, {"left_out_tasks": "long"}))
    assert dataset.names() == ["two; rows", "short"]
    assert all("room" in example.prompt for example in dataset.split(1, "train"))
    assert dataset.split(2, "train") == []


def test_without_any_task_the_run_cannot_start_and_says_how_it_can(project: Project) -> None:
    spec = next(s for s in load_run_dataset(project, CONFIG).tasks if ";" in s.name)
    report = ready_report(project, change_config(CONFIG, {"left_out_tasks": f"long; short; {spec.task_id}"}))
    assert not report.ready
    assert [fix.changes for fix in fixes_of(report, "check.no_tasks")] == [{"left_out_tasks": None}]


def test_a_name_that_is_no_task_is_told(project: Project) -> None:
    report = ready_report(project, change_config(CONFIG, {"left_out_tasks": "of another project"}))
    (fix,) = fixes_of(report, "check.left_out_unknown")
    assert fix.assignments == ["left_out_tasks=none"]


def test_ready_is_doubtful_when_most_rows_are_cut_or_a_task_has_almost_none(project: Project) -> None:
    assert ready_report(project, CONFIG).doubtful
    both = {"left_out_tasks": _without_few(project)}
    assert ready_report(project, change_config(CONFIG, both)).doubtful  # most rows of `long` are cut
    good = change_config(CONFIG, {**both, "max_tokens": 1024})
    report = ready_report(project, good)
    assert (report.ready, report.doubtful) == (True, is_doubtful(report.problems))
    assert not report.doubtful, [problem.message for problem in report.problems]


def test_too_few_exam_rows_have_their_remedy(project: Project) -> None:
    config = change_config(CONFIG, {"exam_rows": 4, "max_tokens": 1024, "left_out_tasks": _without_few(project)})
    report = ready_report(project, config)
    (fix,) = fixes_of(report, "check.short_exam")
    assert report.doubtful
    assert fix.time is not None
    assert fix.time > 0
    assert not ready_report(project, change_config(config, fix.changes)).doubtful
    few = change_config(config, {**fix.changes, "few_shot": 3})
    all_rows, *_ = fixes_of(ready_report(project, few), "check.few_train")
    assert all_rows.changes == {"few_shot": None}


def test_the_same_note_of_many_tasks_is_one_with_one_remedy(project: Project) -> None:
    def few(names: list[str], key: str, **values: Any) -> list[Problem]:
        return [Problem(name, key, {"task": name, "count": 4, **values}, "warning") for name in names]

    dataset = load_run_dataset(project, CONFIG)
    names = dataset.names()
    apart = [*few(names[:2], "check.few_exam", least=20), Problem("device", "check.device", {"device": "cuda"})]
    assert list(fold_notes(apart)) == apart
    (one, other) = fold_notes([*few(names, "check.few_exam", least=20), apart[-1]])
    assert other == apart[-1]
    assert all(f"{name} (4)" in one.message for name in names)
    assert "20" in one.message
    assert is_doubtful([one])
    assert [fix.screen for fix in plan_fixes(one, Planned(CONFIG, dataset))] == ["tasks"]  # all cannot be left out
    cut = few(names, "check.long_rows", rows=200, share="2 %", tokens=128, model="Starter", column="text")
    (long,) = fold_notes(cut)
    assert not is_doubtful([long])
    (longer,) = plan_fixes(long, Planned(CONFIG, dataset))
    assert longer.changes["max_tokens"] > CONFIG.max_tokens


def test_an_open_question_about_a_file_makes_ready_doubtful(tmp_path: Path) -> None:
    project = Workspace(tmp_path / "home").create_project("asked")
    path = tmp_path / "mixed.csv"
    rows = "".join(f"{w};{n},{'hot' if n % 2 else 'cold'}\n" for n in range(150) for w in ("red", "blue"))
    path.write_text("a;b,c\n" + rows, encoding="utf-8")
    (spec,) = add_files(project, [path], isolated=False).added
    report = ready_report(project, CONFIG)
    (fix,) = fixes_of(report, "check.open_doubt")  # of the only task, which cannot be left out
    assert (fix.screen, fix.task) == ("tasks", spec.task_id)
    assert report.ready
    assert report.doubtful
    for doubt in read_doubts(project, spec.task_id):
        settle_doubt(project, spec.task_id, doubt, other=False)
    assert not fixes_of(ready_report(project, CONFIG), "check.open_doubt")


def _without_few(project: Project) -> str:
    return str(fixes_of(ready_report(project, CONFIG), "check.few_train")[1].changes["left_out_tasks"])


def test_the_command_line_prints_what_to_type(project: Project) -> None:
    report = ready_report(project, CONFIG)
    lines = _lines(report)
    assert lines[0] == "Ready, with doubts."
    assert any(line.strip().startswith("--set max_tokens=") and "% time" in line for line in lines)
    told = json.loads(json.dumps(report.as_dict()))
    assert told["doubtful"]
    assert any(fix["assignments"] for problem in told["problems"] for fix in problem["fixes"])


@pytest.mark.parametrize(
    ("batch", "accumulation", "smaller"),
    [(16, 1, (8, 2)), (3, 2, (1, 6)), (9, 1, (3, 3)), (35, 1, (7, 5)), (1, 4, None), (1021, 2, None)],
)
def test_a_smaller_batch_leaves_each_step_as_it_was(
    batch: int, accumulation: int, smaller: tuple[int, int] | None
) -> None:
    config = change_config(CONFIG, {"batch_size": batch, "accumulation": accumulation})
    fixes = plan_fixes(Problem("", "check.memory"), Planned(config, TaskDataset((), {})))
    remedy = remedy_changes("out_of_memory", config, 3)
    if smaller is None:  # other settings may help
        assert fixes == ()
        assert remedy == {"gradient_checkpointing": True}
        return
    for changes in (fixes[0].changes, remedy):
        changed = change_config(config, changes)
        assert (changed.batch_size, changed.accumulation) == smaller
        assert changed.batch_size * changed.accumulation == batch * accumulation
    said = fixes[0].as_dict()["message"]
    assert f"{batch // smaller[0]} times as often" in said


@pytest.mark.parametrize(
    ("chunks", "batch", "smaller"),
    [
        ("apart", 16, (5, 3)),
        ("joined", 16, (5, 3)),
        ("joined", 20, (10, 2)),
        ("joined", 5, {}),
        ("apart", 5, (1, 5)),
    ],
)
def test_a_smaller_batch_cuts_no_chunk(chunks: str, batch: int, smaller: tuple[int, int] | dict) -> None:
    """Of 16 rows five tasks' chunks take 15: eight of them would be five."""
    config = change_config(CONFIG, {"batch_size": batch, "chunks": chunks})
    found = smaller_batch(config, 5)
    assert found == (smaller and {"batch_size": smaller[0], "accumulation": smaller[1]})
    if found:
        rows = rows_at_once(config, 5)
        assert rows_at_once(change_config(config, found), 5) * found["accumulation"] == rows


def test_a_base_model_that_is_not_there_is_replaced(project: Project, tmp_path: Path) -> None:
    report = ready_report(project, change_config(CONFIG, {"base_model": str(tmp_path / "nothing")}))
    assert not report.ready
    assert [fix.changes for fix in fixes_of(report, report.problems[-1].key)] == [
        {"base_model": RunConfig().base_model}
    ]

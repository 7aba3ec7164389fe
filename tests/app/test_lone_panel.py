"""A file called test or dev that came alone is asked about on the Tasks screen, and does what the answer says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.shell.context import Context
from app.shell.selection import Selection
from app.tasks.lone_panel import draw_lone
from app.tasks.screen import Tasks
from app.texts.language import in_language
from core.tasks.store import list_tasks, read_rows, task_dir
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.tasks.workbooks import write_book


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))
    return Context(Workspace(tmp_path / "workspace"))


@pytest.fixture
def place(context: Context) -> Selection:
    return Selection().with_project(context.workspace.create_project("Desk", "local").project_id)


class Click:
    def __init__(self, id: str, act: str) -> None:
        self.id, self.act = id, act


def write(path: Path, count: int, start: int = 0) -> str:
    rows = "".join(f"the text of row {i},{'ab'[i % 2]}\n" for i in range(start, start + count))
    path.write_text(f"text,label\n{rows}", encoding="utf-8")
    return str(path)


def answer(context: Context, selection: Selection, lone: list[str], act: str) -> tuple[Any, Any, str]:
    """-> what is chosen now, the files that are still asked about, what is said."""
    panel = build_panel(Tasks, context).lone
    shown = panel.choose_part(context, selection, lone, Click("0", act))  # type: ignore[arg-type]
    return shown.get(context.selection, selection), shown.get(panel.lone, lone), shown[panel.report]


def drop(context: Context, selection: Selection, *paths: str) -> tuple[Any, str, list[str], list[str]]:
    """-> what is chosen now, the report, the files to read again, those that are asked about."""
    screen = build_panel(Tasks, context)
    shown = screen.take_files(context, selection, list(paths))
    taken = (context.selection, screen.report, screen.more.dropped, screen.lone.lone)
    return tuple(shown[part] for part in taken)  # type: ignore[return-value]


def test_a_lone_exam_becomes_the_exam_of_a_task(context: Context, place: Selection, tmp_path: Path) -> None:
    selection, *_ = drop(context, place, write(tmp_path / "mail.csv", 40))
    selection, report, _, lone = drop(context, selection, write(tmp_path / "mail.test.csv", 10, 35))
    project = context.require_project(selection)
    assert ([Path(path).name for path in lone], len(list_tasks(project))) == (["mail.test.csv"], 1)
    assert "<li" not in report
    shown = draw_lone(context, selection, lone)
    assert "mail.test.csv is called a test set" in shown
    assert "The final exam of mail" in shown
    assert "mail 的最终考试" in in_language("zh", draw_lone, context, selection, lone)
    (spec,) = list_tasks(project)
    selection, left, report = answer(context, selection, lone, spec.task_id)
    assert (left, list_tasks(project)[0].num_test) == ([], 10)
    assert "10 rows are the final exam of mail now; 5 rows" in report
    assert draw_lone(context, selection, left) == ""


def test_it_may_be_a_task_of_its_own_or_left_out(context: Context, place: Selection, tmp_path: Path) -> None:
    paths = [write(tmp_path / "calls.dev.csv", 30), write(tmp_path / "test.csv", 30)]
    selection, _, _, lone = drop(context, place, *paths)
    assert len(lone) == 2
    selection, lone, _ = answer(context, selection, lone, "alone")
    project = context.require_project(selection)
    assert [spec.name for spec in list_tasks(project)] == ["calls.dev"]
    _, lone, report = answer(context, selection, lone, "leave")
    assert (lone, len(list_tasks(project))) == ([], 1)
    assert "test.csv was left out" in report
    assert answer(context, selection, [], "alone") == (selection, [], "")  # answered in another window


def test_numbers_as_shown_or_as_stored(context: Context, place: Selection, tmp_path: Path) -> None:
    rows = [["text", "code"], *([f"the text of row {i}", (i % 3 + 1, "000")] for i in range(30))]
    path = str(write_book(tmp_path / "codes.xlsx", {"d": rows}))
    selection, _, dropped, _ = drop(context, place, path)
    more = build_panel(Tasks, context).more
    shown = more.draw_first(context, selection, dropped, "codes.xlsx")
    assert shown[more.numbers]["visible"]
    assert "such as 001 for 1" in shown[more.preview]
    shown = more.read_differently(context, selection, dropped, "codes.xlsx", "", "", "", "", "", "stored")
    chosen = shown[context.selection]
    project = context.require_project(chosen)
    (spec,) = list_tasks(project)
    assert {row["code"] for _, row in read_rows(task_dir(project, spec.task_id), "train")} == {"1", "2", "3"}

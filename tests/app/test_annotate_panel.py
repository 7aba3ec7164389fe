"""Annotate next on the Tasks screen: what is started, which row is shown, what each button does to it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from app.shell.context import Context
from app.shell.selection import Selection
from app.tasks.annotate_panel import AnnotatePanel, annotate_words
from core.base.errors import RunError
from core.insight.annotation import ACCEPTED, CORRECTED, SKIPPED, Candidate, Queue, read_queue, write_queue
from core.tasks.store import get_task, list_tasks, read_rows, task_dir
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.serving.conftest import make_trained_run

Place = tuple[Context, Selection]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import build_tiny_llama

    root = tmp_path_factory.mktemp("annotate")
    return make_trained_run(root / "workspace", build_tiny_llama(root / "llama"))


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A queue of four rows for the first task, the second of them with a text that is HTML."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    root = tmp_path / "workspace"
    shutil.copytree(trained.parents[3], root)
    context = Context(Workspace(root))
    project = context.workspace.list_projects()[0]
    texts = ("new one", "<b>new</b> two", "new three", "new four")
    rows = tuple(Candidate(i, i + 1, {"text": text}, "no", 0.5 + i / 10, 0.25) for i, text in enumerate(texts, 1))
    write_queue(project, "task 0", Queue(trained.name, "pool.csv", "rrf", 9, 2, rows))
    task_id = get_task(project, "task 0").task_id
    return context, Selection(project_id=project.project_id, run_id=trained.name).with_task(task_id)


def practised(context: Context, selection: Selection) -> list[tuple[str, str]]:
    folder = task_dir(context.require_project(selection), selection.task_id)
    return [(row["text"], row["label"]) for _, row in read_rows(folder, "train") if "new" in row["text"]]


def states(context: Context, selection: Selection) -> list[str]:
    queue = read_queue(context.require_project(selection), selection.task_id)
    assert queue is not None
    return [one.state for one in queue.candidates]


def test_rows_are_settled_one_after_the_other(place: Place) -> None:
    context, selection = place
    panel = build_panel(AnnotatePanel, context)
    shown = panel.draw(context, selection)
    assert shown[panel.number] == 1
    assert "new one" in shown[panel.shown]
    assert "60 %" in shown[panel.shown]
    assert (shown[panel.label]["value"], shown[panel.label]["visible"]) == ("no", True)
    assert "2 rows were left out" in shown[panel.report]

    shown = panel.accept_row(context, selection, 1)
    assert shown[context.selection].version != selection.version  # the other panels read the task anew
    assert shown[panel.number] == 2
    assert "<b>new" not in shown[panel.shown]
    again = panel.accept_row(context, selection, 1)  # a second click on the row that is settled
    assert again[panel.number] == 2
    assert practised(context, selection) == [("new one", "no")]

    asked = panel.correct_row(context, selection, 2, "perhaps", "")
    assert asked[panel.new]["visible"]
    assert "perhaps" in asked[panel.question]
    assert states(context, selection)[1] == "open"
    panel.add_label(context, selection, 2, "perhaps", "")
    panel.correct_row(context, selection, 3, " yes ", "no")
    shown = panel.skip_row(context, selection, 4)
    assert states(context, selection) == [ACCEPTED, CORRECTED, CORRECTED, SKIPPED]
    assert practised(context, selection)[1:] == [("<b>new</b> two", "perhaps"), ("new three", "yes")]
    assert not shown[panel.row]["visible"]
    assert "Train again" in shown[panel.report]
    write_again(context, selection)
    with pytest.raises(RunError, match="no answer"):
        panel.correct_row(context, selection, 1, None, "")


def write_again(context: Context, selection: Selection) -> None:
    rows = (Candidate(1, 2, {"text": "new five"}, "", 0.5, None),)
    queue = Queue(selection.run_id, "pool.csv", "rrf", 1, 0, rows)
    write_queue(context.require_project(selection), selection.task_id, queue)


def test_what_cannot_be_asked_is_said(place: Place) -> None:
    context, selection = place
    panel = build_panel(AnnotatePanel, context)
    with pytest.raises(RunError, match="No file"):
        annotate_words(context, selection, None, "rrf", 20)
    words = annotate_words(context, selection, "/tmp/-- x.csv", "max", 25.0)
    assert words[0] == "annotate"
    assert words[1:] == [
        selection.run_id, f"--task={selection.task_id}", "--by=max", "--budget=25", "--pool=/tmp/-- x.csv",
    ]  # fmt: skip
    stranger = Selection(project_id=selection.project_id, task_id=selection.task_id)
    shown = panel.draw(context, stranger)
    assert not shown[panel.asking]["visible"]
    assert "train on the task first" in shown[panel.about]
    assert shown[panel.number] == 1  # rows that were ranked before can be settled all the same
    other = next(s for s in list_tasks(context.require_project(selection)) if s.name == "pairs")
    shown = panel.draw(context, selection.with_task(other.task_id))
    assert (shown[panel.report], shown[panel.row]["visible"]) == ("", False)
    empty: dict[Any, Any] = panel.draw(context, Selection())
    assert not empty[panel.row]["visible"]

"""Annotate next on the Tasks screen: what is started, which row is shown, what each button does to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.shell.context import Context
from app.shell.selection import Selection
from app.tasks.annotate_panel import AnnotatePanel, annotate_words, next_row
from app.tasks.payoff_panel import PayoffPanel, curve_words, measuring_time
from app.texts.language import in_language
from core.base.errors import RunError
from core.base.files import write_json_atomic
from core.insight.annotation import (
    ACCEPTED,
    CORRECTED,
    SKIPPED,
    Candidate,
    Queue,
    RowId,
    accept,
    read_queue,
    skip,
    write_queue,
)
from core.insight.learning_curve import CURVE
from core.runs.folder import RunFolder
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
    panel, row = build_panel(AnnotatePanel, context), rows_of(context, selection)
    shown = panel.draw(context, selection)
    assert shown[panel.seen].number == 1
    assert "new one" in shown[panel.shown]
    assert "Likelihood 60 % (not checked against right answers)" in shown[panel.shown]
    assert (shown[panel.label]["value"], shown[panel.label]["visible"]) == ("no", True)
    assert "2 rows were left out" in shown[panel.report]

    shown = panel.accept_row(context, selection, row(1))
    assert shown[context.selection].version != selection.version  # the other panels read the task anew
    assert shown[panel.seen].number == 2
    assert "<b>new" not in shown[panel.shown]
    again = panel.accept_row(context, selection, row(1))  # a second click on the row that is settled
    assert again[panel.seen].number == 2
    assert practised(context, selection) == [("new one", "no")]

    asked = panel.correct_row(context, selection, row(2), "perhaps", "")
    assert asked[panel.new]["visible"]
    assert "perhaps" in asked[panel.question]
    assert states(context, selection)[1] == "open"
    panel.add_label(context, selection, row(2), "perhaps", "")
    panel.correct_row(context, selection, row(3), " yes ", "no")
    shown = panel.skip_row(context, selection, row(4))
    assert states(context, selection) == [ACCEPTED, CORRECTED, CORRECTED, SKIPPED]
    assert practised(context, selection)[1:] == [("<b>new</b> two", "perhaps"), ("new three", "yes")]
    assert not shown[panel.row]["visible"]
    assert "Train again" in shown[panel.report]
    write_again(context, selection)
    with pytest.raises(RunError, match="no answer"):
        panel.correct_row(context, selection, rows_of(context, selection)(1), None, "")


def rows_of(context: Context, selection: Selection) -> Callable[[int], RowId]:
    """The rows of the queue that stands there now, by number."""
    queue = read_queue(context.require_project(selection), selection.task_id)
    assert queue is not None
    return partial(RowId, queue.queue_id)


def test_a_row_that_was_ranked_again_is_not_settled_unseen(place: Place) -> None:
    """Every button of an old row leaves the new row 1 alone, shows it and says why."""
    context, selection = place
    panel, row = build_panel(AnnotatePanel, context), rows_of(context, selection)
    before = next_row(context, selection)
    write_again(context, selection)
    assert next_row(context, selection) != before  # what was typed for the old row does not stay beside the new one
    chinese = in_language("zh", panel.accept_row, context, selection, row(1))
    assert "重新排过" in chinese[panel.question]
    for shown in (
        panel.accept_row(context, selection, row(1)),
        panel.correct_row(context, selection, row(1), "perhaps", ""),
        panel.add_label(context, selection, row(1), "perhaps", ""),
        panel.skip_row(context, selection, row(1)),
    ):
        assert "ranked again" in shown[panel.question]
        assert "new five" in shown[panel.shown]
        assert shown[panel.seen] == next_row(context, selection)
    assert states(context, selection) == ["open"]
    assert practised(context, selection) == []
    for settle in (accept, skip):
        with pytest.raises(RunError, match="ranked again"):
            settle(context.require_project(selection), selection.task_id, row(1))


def test_the_run_that_was_asked_is_named(place: Place) -> None:
    """Not the one that is chosen by now."""
    context, selection = place
    panel = build_panel(AnnotatePanel, context)
    queue = read_queue(context.require_project(selection), selection.task_id)
    assert queue is not None
    asked = replace(queue, run_id="r-asked", is_checked=True)
    write_queue(context.require_project(selection), selection.task_id, asked)
    shown = panel.draw(context, selection)
    assert "r-asked would say" in shown[panel.shown]
    assert "60 % sure" in shown[panel.shown]
    assert "not checked" not in shown[panel.shown]
    assert "r-asked" in shown[panel.report]


def test_a_file_of_which_nothing_was_kept_teaches_nothing(place: Place) -> None:
    context, selection = place
    panel = build_panel(AnnotatePanel, context)
    for number in range(1, 5):
        shown = panel.skip_row(context, selection, rows_of(context, selection)(number))
    assert "no row was added" in shown[panel.report]
    assert "Train again" not in shown[panel.report]


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
    assert shown[panel.seen].number == 1  # rows that were ranked before can be settled all the same
    other = next(s for s in list_tasks(context.require_project(selection)) if s.name == "pairs")
    shown = panel.draw(context, selection.with_task(other.task_id))
    assert (shown[panel.report], shown[panel.row]["visible"]) == ("", False)
    empty: dict[Any, Any] = panel.draw(context, Selection())
    assert not empty[panel.row]["visible"]


def answers_of_exam(folder: RunFolder, records: list[dict[str, Any]]) -> None:
    """An exam of the first task; none for no records."""
    if records:
        folder.predictions_dir.mkdir(exist_ok=True)
        folder.answers_path(0).write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
        write_json_atomic(folder.results_path, {"tasks": []})


def test_whether_training_again_pays_off_is_measured_once_and_told(place: Place) -> None:
    """No button where it could only fail, but why; unknown at first; answered rows and the run's name are told."""
    context, selection = place
    payoff, project = build_panel(PayoffPanel, context), context.require_project(selection)
    folder = RunFolder(context.run_dir(selection))  # type: ignore[arg-type]
    run, small = folder.read_run(), {"row": 0, "target": "yes", "tuned": "no"}
    for more, exam, why in (
        ({}, 0, "no exam results yet"),
        ({"merged_from": ["r1", "r2"]}, 20, "made of r1, r2"),
        ({}, 19, "below 20 chance decides"),
    ):
        folder.write_run({**run, **more})
        answers_of_exam(folder, [{**small, "row": row} for row in range(exam)])
        shown = payoff.draw(context, selection)
        assert why in shown[payoff.said]
        assert not shown[payoff.asking]["visible"]
    folder.write_run(run)
    answers_of_exam(folder, [{**small, "row": row} for row in range(20)])
    shown = payoff.draw(context, selection)
    assert "is not known" in shown[payoff.said]
    assert shown[payoff.asking]["visible"]
    for record, words in (({}, "practice rows."), ({"actual": {"seconds": 240.0}}, "about 3 min")):
        write_json_atomic(folder.record_path, record)  # an interrupted run has no time at work
        assert words in measuring_time(folder)
    folder.record_path.unlink()
    task = f"--task={selection.task_id}"
    assert curve_words(context, selection) == ["annotate", selection.run_id, task, "--curve"]
    folder = RunFolder(project.runs_dir / selection.run_id)
    drawn = [[0.5, 0.6, 0.7]] * 9
    one = {"task": "task 0", "metric": "accuracy", "rows": [10, 20, 40], "scores": [0.5, 0.6, 0.7], "exam_rows": 50}
    folder.probes_dir.mkdir(exist_ok=True)
    write_json_atomic(folder.probe_path(CURVE), {"tasks": [{**one, "drawn": drawn}]})
    shown = payoff.draw(context, selection)
    assert "with 4 more rows pays off by about" in shown[payoff.said]  # the open rows of the queue
    assert "50 exam rows" in shown[payoff.said]
    assert not shown[payoff.asking]["visible"]
    assert "再加 4 行" in in_language("zh", payoff.draw, context, selection)[payoff.said]
    assert payoff.draw(context, Selection())[payoff.said] == ""

    queue = read_queue(project, selection.task_id)
    assert queue is not None
    write_queue(project, selection.task_id, replace(queue, answered=3))
    panel = build_panel(AnnotatePanel, context)
    report = panel.draw(context, selection)[panel.report]
    assert "3 rows of the file hold an answer already" in report
    assert f"{folder.read_run()['name']} answered" in report

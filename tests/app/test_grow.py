"""Add a task without a browser: files dropped, rows pasted, what is asked, what is started, how it is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.grow.new_rows import new_names
from app.grow.screen import SPEC, Grow, ask_task, grow_words
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts.language import in_language
from core.base.errors import RunError, TaskFileError
from core.insight.growth import Growth, NewScore, describe_growth, describe_new_score
from core.insight.jobs import job_dir
from core.runs.job_folder import JobFolder
from core.tasks.changing.sample import load_sample
from core.tasks.store import get_task, read_doubts
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.serving.conftest import make_trained_run

Place = tuple[Context, Selection]
CHOSEN = ([], 1, 60, True)  # rows, draws, steps, a private skill: as the screen opens


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import build_tiny_llama

    root = tmp_path_factory.mktemp("grow")
    return make_trained_run(root / "workspace", build_tiny_llama(root / "llama"))


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    root = tmp_path / "workspace"
    shutil.copytree(trained.parents[3], root)
    context = Context(Workspace(root))
    project = context.workspace.list_projects()[0]
    yield context, Selection(project_id=project.project_id, run_id=trained.name)
    context.chat.close()


def dropped(folder: Path, name: str, text: str) -> str:
    path = folder / "drop" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def letters(rows: int = 20) -> str:
    return "text\tkind\n" + "".join(f"letter number {i}\t{('bill', 'offer')[i % 2]}\n" for i in range(rows))


def test_a_dropped_file_is_read_shown_and_ready_to_be_taught(place: Place, tmp_path: Path) -> None:
    context, selection = place
    screen = build_panel(Grow, context)
    rows = screen.rows
    shown = rows.take_files(context, selection, [dropped(tmp_path, "letters.tsv", letters())])
    assert shown[rows.task]["value"] == "letters"
    assert "letter number" in shown[rows.about]
    assert "kind (answer)" in shown[rows.about]
    assert shown[rows.doubts] == ""
    assert shown[context.selection].version == selection.version + 1
    words = grow_words(context, selection, "letters", *CHOSEN)
    assert words == ["add-task", selection.run_id, "--draws=1", "--steps=60", "--private", "--", "letters"]
    curve = grow_words(context, selection, "letters", [20, 5], 3, 60, False)
    assert curve[2:-2] == ["--draws=3", "--steps=60", "--rows=5", "--rows=20", "--no-private"]


def test_a_file_that_cannot_be_read_is_named_and_the_field_is_free_again(place: Place, tmp_path: Path) -> None:
    context, selection = place
    rows = build_panel(Grow, context).rows
    shown = rows.take_files(context, selection, [dropped(tmp_path, "bad.json", '[{"a": ')])
    assert "bad.json" in shown[rows.report]
    assert rows.task not in shown
    assert shown[rows.drop] is None
    with pytest.raises(gr.Error):
        grow_words(context, selection, None, *CHOSEN)


def test_an_exam_that_comes_alone_is_the_whole_task_and_it_is_said(place: Place, tmp_path: Path) -> None:
    context, selection = place
    rows = build_panel(Grow, context).rows
    shown = rows.take_files(context, selection, [dropped(tmp_path, "letters.test.tsv", letters())])
    (name,) = new_names(context, selection)
    assert shown[rows.task]["value"] == name
    assert "letters.test.tsv is called an exam" in shown[rows.report]
    assert get_task(context.require_project(selection), name).num_train > 0


def test_pasted_rows_become_the_task_when_the_button_is_pressed(place: Place) -> None:
    context, selection = place
    rows = build_panel(Grow, context).rows
    assert rows.take_pasted(context, selection, "  ") == gr.skip()
    shown = rows.take_pasted(context, selection, letters())
    (name,) = new_names(context, selection)
    assert (shown[rows.task]["value"], shown[rows.pasted]) == (name, "")
    assert Path(shown[rows.dropped][0]).is_file()  # to be read again when its reading is in question
    with pytest.raises(TaskFileError):
        rows.take_pasted(context, selection, "just a line")


def test_an_open_question_is_asked_before_anything_is_taught(place: Place, tmp_path: Path) -> None:
    context, selection = place
    rows = build_panel(Grow, context).rows
    text = "text,spam\n" + "".join(f"mail {i} to you,{('spam', 'ham')[i % 2]}\n" for i in range(12))
    shown = rows.take_files(context, selection, [dropped(tmp_path, "mails.csv", text)])
    project = context.require_project(selection)
    if not read_doubts(project, "mails"):
        pytest.fail("the file was meant to be in question: take another one")
    assert 'data-act="other"' in shown[rows.doubts]
    with pytest.raises(RunError, match="more than one way"):
        grow_words(context, selection, "mails", *CHOSEN)
    event: Any = SimpleNamespace(id="0", act="taken")
    settled = rows.settle(context, selection, "mails", shown[rows.dropped], event)
    assert settled[rows.doubts] == ""
    assert grow_words(context, selection, "mails", *CHOSEN)[-1] == "mails"


def test_the_outcome_is_one_sentence_with_the_next_step(place: Place) -> None:
    context, selection = place
    screen = build_panel(Grow, context)
    assert screen.draw_outcome(context, selection)[screen.outcome] == ""
    exam = NewScore(0.7, 20, 0.45, "most_frequent", "bill", "maybe")
    found = {"run_id": selection.run_id, "task": "letters", "metric": "accuracy", "nearest": [["task 0", 1.5]]}
    found |= {"untrained": 0.4, "curve": {"16": [0.7]}, "questions": 20, "exam": vars(exam)}
    run_dir = context.trained_run(selection)
    assert run_dir is not None
    job = JobFolder(job_dir(run_dir, SPEC.kind))
    job.path.mkdir(parents=True)
    job.launch_path.write_text(json.dumps({"pid": 1, "create_time": 0.0, "command": [], "began": 0.0}))
    job.out_path.write_text(json.dumps(found), encoding="utf-8")
    shown = screen.draw_outcome(context, selection)
    said = "letters: right for 14 of 20 exam questions; guessing (always answering “bill”) gets 9."
    assert f"{said} The difference may be chance." in shown[screen.outcome]
    assert shown[screen.curve] == ""  # one number of rows is no curve
    assert shown[screen.ask] == gr.update(visible=True)
    led = ask_task(context, selection)
    assert dict(led[context.selection].preset.values) == {"task": "letters"}


def test_what_is_said_about_the_new_score() -> None:
    found = NewScore(0.7, 20, 0.45, "most_frequent", "bill", "maybe")
    few = describe_new_score(replace(found, n=4, score=0.75, guess=0.5, better="few"), "letters", "accuracy").text
    assert few == (
        "letters: right for 3 of 4 exam questions; guessing (always answering “bill”) gets 2. "
        "Too few exam rows to be sure."
    )
    text = describe_new_score(replace(found, guess_name="copy", better="worse"), "letters", "rouge_l").text
    assert "70 of 100 on 20 exam questions" in text
    assert text.endswith("guessing (copying the input) gets 45. Guessing does better.")
    alone = describe_new_score(replace(found, guess=None), "letters", "accuracy").text
    assert alone == "letters: right for 14 of 20 exam questions."
    growth = Growth("r", "letters", "accuracy", [("task 0", 1.0)], 0.4, {16: [0.7]}, 20, found)
    assert describe_growth(growth)[0].key == "says.new_right"
    assert "答对" in in_language("zh", lambda: _worded(growth))


def _worded(growth: Growth) -> str:
    from app.texts import word_error

    first = describe_growth(growth)[0]
    return word_error(first.key, first.values)[0]


def test_without_a_trained_run_a_button_leads_to_one(tmp_path: Path) -> None:
    context = Context(Workspace(tmp_path))
    project = context.workspace.create_project("Desk")
    screen = build_panel(Grow, context)
    shown = screen.draw(context, Selection(project_id=project.project_id))
    assert "No trained model yet" in shown[screen.head]
    assert shown[screen.onwards] == gr.update(visible=False)
    assert 'data-id="tasks"' in shown[screen.head]  # there is nothing to train on yet
    home = screen.draw(context, Selection())
    assert home[screen.onwards] == gr.update(visible=False)
    assert 'data-id="home"' in home[screen.head]
    load_sample(project)
    shown = screen.draw(context, Selection(project_id=project.project_id))
    assert shown[screen.onwards] == gr.update(visible=True)
    assert "data-id" not in shown[screen.head]
    context.chat.close()

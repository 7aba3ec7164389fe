"""What follows a training, in a real browser: a new exam, its answers, a new task from a few rows, its card."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from core.insight.jobs import job_dir, read_job
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.store import list_tasks, read_rows, task_dir
from core.workspace import Project, Workspace
from tests.browser.driving import PATIENCE_MS, open_screen, resting_place, running_app, wait_until_open
from tests.serving.conftest import make_trained_run

pytestmark = pytest.mark.browser


@pytest.fixture
def trained(tmp_path: Path, tiny_model: Path) -> tuple[Project, Path]:
    """A project with a trained run, never examined, and one more task that the run does not know."""
    run_dir = make_trained_run(tmp_path / "home", tiny_model)
    (project,) = Workspace(tmp_path / "home").list_projects()
    rows = [{"text": f"mail {i}", "label": ("spam", "ham")[i % 2]} for i in range(40)]
    path = tmp_path / "mails.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    add_task(project, path, TaskRequest(name="mails"))
    return project, run_dir


def test_exam_answers_new_task_and_card(chromium, trained: tuple[Project, Path], tmp_path: Path) -> None:
    project, run_dir = trained
    with running_app(tmp_path / "home") as address:
        context = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US")
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        wait_until_open(page)
        sit_an_exam_behind_the_page(page, run_dir)
        follow_a_verdict(page)
        flag_and_correct(page, project)
        measure_certainty(page)
        grow(page)
        open_screen(page, "share")
        page.locator("#share-card", has_text="mails").wait_for()  # the grown run knows four tasks
        assert faults == []
        context.close()


def sit_an_exam_behind_the_page(page, run_dir: Path) -> None:
    """The exam ends while another screen is open; Results shows it when it is opened again."""
    open_screen(page, "results")
    page.locator("#results-head .empty").wait_for()
    page.locator("#results-exam > button").click()
    page.locator("#exam-rows input").fill("6")
    page.locator("#job-exam").click()
    page.locator("#job-exam-stop").wait_for()
    open_screen(page, "skills")
    page.locator("#skills-heatmap .heatmaplayer image").first.wait_for()
    zoom_in_and_out(page)
    end = time.monotonic() + PATIENCE_MS / 1000
    while read_job(job_dir(run_dir, "exam")).is_live and time.monotonic() < end:
        page.wait_for_timeout(200)
    assert read_job(job_dir(run_dir, "exam")).state == "done"
    open_screen(page, "results")
    page.locator("#results-table table").wait_for()
    assert page.locator("#results-table tbody tr").count() == 4  # three tasks and their mean


TOP_OF_ROWS = "document.getElementById('task-all-rows').getBoundingClientRect().top"


def follow_a_verdict(page) -> None:
    """Six exam rows are too few: the card's button leads to the rows of its task. Labels chosen by random
    weights may happen to be one and the same, which is broken, and the few practice rows are named first."""
    card = page.locator("#verdicts .card", has=page.locator("[data-act=more_rows]")).first
    assert card.locator(".badge").inner_text() in ("not yet", "broken")
    task = next(name for name in ("task 0", "task 1", "pairs") if name in card.inner_text())
    card.locator("[data-act=more_rows]").click()
    page.locator("#tab-tasks-button[aria-selected=true]").first.wait_for()
    page.locator("#task-cards .card.active", has_text=task).wait_for()
    page.locator("#rows-table").wait_for()
    page.wait_for_function(f"(() => {{ const top = {TOP_OF_ROWS}; return top > -9 && top < innerHeight / 2; }})()")
    open_screen(page, "results")


def zoom_in_and_out(page) -> None:
    """Nothing lies over a plot; a stretch that was marked is enlarged, and a button below gives the whole back."""
    assert page.locator(".modebar-btn").count() == 0
    cells = page.locator("#skills-heatmap .heatmaplayer image").first
    button = page.get_by_role("button", name="Reset zoom")
    assert button.count() == 0
    box = resting_place(page, cells)
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    button.click()
    button.wait_for(state="hidden")
    inks = "[...document.querySelectorAll('#skills-heatmap .heatmap-label text')].map(text => text.style.fill)"
    assert set(page.evaluate(inks)) <= {"rgb(0, 0, 0)", "rgb(255, 255, 255)"}  # whichever stands out more
    assert len(page.evaluate(inks)) > 3
    assert page.evaluate("document.querySelector('#skills-heatmap .plot-place').layout.xaxis.autorange") is True


def flag_and_correct(page, project: Project) -> None:
    answers = page.locator("#results-answers")
    answers.locator("[data-act=flag]").first.click()
    page.locator("#results-filter").get_by_label("flagged").click()
    page.wait_for_function("document.querySelectorAll('#results-answers tbody tr').length === 1")
    answers.locator("[data-act=correct]").first.click()
    page.locator("#correct-answer textarea").fill("perhaps")
    page.locator("#correct-save").click()
    page.locator("#correct-done p").wait_for()
    task = next(task for task in list_tasks(project) if task.name == "task 0")
    labels = [row["label"] for _, row in read_rows(task_dir(project, task.task_id), "test")]
    assert labels.count("perhaps") == 1
    page.locator("#results-task input").click()
    page.get_by_role("option", name="task 1").click()
    page.locator("#correct-form").wait_for(state="hidden")  # it was about a row of the other task


def measure_certainty(page) -> None:
    page.locator("#job-detect").click()
    page.locator("#detector-says p").first.wait_for()
    page.locator("#detector-plot .main-svg").first.wait_for()
    assert "exam texts" in page.locator("#detector-says").inner_text()


def grow(page) -> None:
    """A new task from five and ten rows, to its end; the run that knows it is opened."""
    open_screen(page, "grow")
    page.wait_for_function("document.querySelector('#grow-task input')?.value === 'mails'")
    before = page.locator("#choose-run input").input_value()
    assert "mail" in page.locator("#grow-about table").inner_text()
    page.locator("#grow-experiment > button").click()
    page.locator("#grow-counts").get_by_label("5", exact=True).check()
    page.locator("#grow-counts").get_by_label("10", exact=True).check()
    field = page.locator("#grow-steps input[type=number]")
    field.fill("10")
    field.press("Tab")
    page.locator("#job-add-task").click()
    page.locator("#grow-outcome p", has_text="guessing").wait_for(timeout=2 * PATIENCE_MS)
    page.locator("#grow-details > button").click()
    page.locator("#grow-curve .main-svg").first.wait_for()
    assert page.locator("#grow-nearest tbody tr").count() == 3
    page.locator("#grow-open").click()
    page.wait_for_function(f"document.querySelector('#choose-run input').value !== {json.dumps(before)}")
    page.locator("#tab-results-button[aria-selected=true]").first.wait_for()
    page.locator("#verdicts .card", has_text="mails").wait_for()

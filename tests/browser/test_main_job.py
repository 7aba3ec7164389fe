"""The main job in a real browser: files in, train, reload in the middle, skills, a question and its answer."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.browser.driving import PATIENCE_MS, ROOT, fill_plan, open_screen, wait_for_state, wait_until_open

pytestmark = pytest.mark.browser
SAMPLE = ROOT / "assets" / "sample"
FILES = [
    SAMPLE / name
    for name in (
        "review_verdict.train.xlsx",
        "review_verdict.test.xlsx",
        "question_cleaning.train.jsonl",
        "question_cleaning.test.jsonl",
    )
]


def bring_files(page) -> None:
    """A new project with two tasks from an Excel and a JSON-lines file."""
    page.locator("#project-name input, #project-name textarea").fill("Ward questions")
    page.locator("#project-create").click()
    page.locator("#task-files input[type=file]").set_input_files(FILES)
    page.locator("#task-cards .card").nth(1).wait_for()


def start(page) -> None:
    page.locator("#start").click()
    wait_for_state(page, "queued", "starting", "running", "succeeded")


def worker_pid(workspace) -> int:
    launched = next(workspace.glob("projects/*/runs/*/launch.json"))
    return int(json.loads(launched.read_text(encoding="utf-8"))["pid"])


def test_from_files_to_an_answer(page, tmp_path, tiny_model):
    bring_files(page)
    assert "review_verdict" in page.locator("#task-cards").inner_text()
    learned = page.locator("#task-sees .learned").first.inner_text()
    assert learned.strip().removesuffix("<|end|>") in ("Pros", "Cons")  # the end mark is learned too
    fill_plan(page, tiny_model, steps=120)
    start(page)
    wait_for_state(page, "running")
    page.locator("#loss-plot .plot-place .xaxislayer-above, #loss-plot .plot-place svg").first.wait_for()

    page.reload()  # in the middle of the run
    wait_until_open(page)
    assert page.locator("#choose-project input").input_value() == "Ward questions"
    open_screen(page, "train")
    wait_for_state(page, "running", "stopping", "succeeded")
    wait_for_state(page, "succeeded")

    open_screen(page, "results")
    page.locator("#results-table table").wait_for()
    assert page.locator("#results-table tbody tr").count() == 3  # two tasks and their mean
    open_screen(page, "skills")
    page.locator("#skills-heatmap .heatmaplayer image").first.wait_for()
    assert "1/K" in page.locator("#skills-says").inner_text()

    open_screen(page, "try_it")
    page.locator("#try-input-0 textarea").fill("Great pictures, long battery life")
    page.locator("#try-input-0 textarea").press("Enter")
    page.locator(".answer.tuned[data-done='1']").wait_for(timeout=PATIENCE_MS)
    assert "review_verdict" in page.locator(".question .badge").inner_text()  # the task was found
    page.locator(".answer.tuned button[data-act=compare]").click()
    page.locator(".answer.base[data-done='1']").wait_for(timeout=PATIENCE_MS)
    page.locator(".vote button").first.wait_for()
    assert page.locator(".answer.tuned .made .skills .bar").count() >= 4  # common skills and the task's own
    assert page.locator(".answer.base .made .skills").count() == 0
    page.locator(".answer.tuned .made > summary").click()
    assert "tokens" in page.locator(".answer.tuned .foot").inner_text()
    page.locator(".vote button").first.click()
    page.locator("#try-tally table").wait_for(timeout=PATIENCE_MS)
    page.locator(".answer.tuned button[data-act=correct]").click()
    label = page.locator("#try-right-label input")
    label.fill("Prose")  # a slip of the pen is asked about
    label.press("Enter")
    page.locator("#try-save-right").click()
    page.locator("#try-new-label .doubt").wait_for(timeout=PATIENCE_MS)
    label.fill("Pros")
    label.press("Enter")
    page.locator("#try-save-right").click()
    page.locator("#try-save-right").first.wait_for(state="hidden", timeout=PATIENCE_MS)
    assert "practice row" in page.locator(".answer.tuned .corrected").inner_text()
    assert next(tmp_path.glob("projects/*/votes.jsonl")).read_text(encoding="utf-8").count("\n") == 1
    rows = [path.read_text(encoding="utf-8") for path in tmp_path.glob("projects/*/tasks/*/train.jsonl")]
    assert any("(origin)" in text for text in rows)


MAILS = "".join(f"{('where is my parcel', 'give me my money')[i % 2]} {i},{'ab'[i % 2]}\n" for i in range(24))
# Counted in the page, so that no click of a helper is forgotten; kept over a reload.
COUNT = """addEventListener('click', event => {
  if (event.isTrusted) sessionStorage.clicks = Number(sessionStorage.clicks || 0) + 1;
}, true)"""


def test_five_clicks_from_dropped_files_to_a_verdict_and_an_answer(page, tmp_path) -> None:
    """With the settings of a new project and the model that is there."""
    for name in ("mails", "letters"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{MAILS}", encoding="utf-8")
    page.locator("#project-name input, #project-name textarea").fill("Desk")
    page.locator("#project-create").click()
    page.locator("#task-files").wait_for()
    page.evaluate(COUNT)
    page.locator("#task-files input[type=file]").set_input_files([tmp_path / "mails.csv", tmp_path / "letters.csv"])
    page.locator("#task-cards .card").nth(1).wait_for()
    page.locator("#tasks-next").click()
    page.locator("#ready [data-ready=yes]").wait_for(timeout=PATIENCE_MS)
    start(page)
    wait_for_state(page, "succeeded")
    open_screen(page, "results")
    verdicts = page.locator("#verdicts .card")
    verdicts.nth(1).wait_for(timeout=PATIENCE_MS)
    assert set(verdicts.locator(".badge").all_inner_texts()) <= {"not yet", "broken"}  # a tiny exam
    open_screen(page, "try_it")
    page.locator(".starters button").first.click()
    page.locator(".answer.tuned[data-done='1']").wait_for(timeout=PATIENCE_MS)
    assert "do not rely on this answer" in page.locator(".answer.tuned .warned").inner_text()
    assert page.evaluate("Number(sessionStorage.clicks)") == 5


def test_a_killed_worker_is_seen_and_resumed(page, tmp_path, tiny_model):
    bring_files(page)
    fill_plan(page, tiny_model, steps=3000)
    start(page)
    wait_for_state(page, "running")
    os.kill(worker_pid(tmp_path), signal.SIGKILL)
    wait_for_state(page, "interrupted", timeout_ms=PATIENCE_MS)  # two seconds on an idle machine
    page.locator("#run-resume").click()
    wait_for_state(page, "queued", "starting", "running")
    page.locator("#run-cancel").click()
    page.locator("#run-yes").click()
    wait_for_state(page, "cancelled")
    assert page.locator("#run-delete").is_visible()


def test_two_languages_and_a_bad_file(page, tmp_path):
    bad = tmp_path / "broken.json"
    bad.write_text('[{"text": "a", "label": ', encoding="utf-8")
    page.locator("#project-sample").click()
    page.locator("#task-cards .card").nth(4).wait_for()
    page.locator("#task-files input[type=file]").set_input_files([bad])
    page.locator("#task-report li.bad").wait_for()
    assert "broken.json" in page.locator("#task-report").inner_text()
    assert page.locator("#task-cards .card").count() == 5

    page.locator("#choose-language input").click()
    page.get_by_role("option", name="中文").click()
    page.get_by_role("tab", name="训练").wait_for()
    assert "任务" in page.locator("#choose-language, #tab-tasks-button").last.inner_text()
    page.reload()  # the language is remembered
    page.get_by_role("tab", name="技能").wait_for()


def test_names_from_users_stay_text(page):
    name = "<img src=x onerror=\"document.title='hit'\"> ${document.title='hit'} `x` C:\\users"
    page.locator("#project-name input, #project-name textarea").fill(name)
    page.locator("#project-create").click()
    page.locator("#tab-tasks-button[aria-selected=true]").wait_for()
    open_screen(page, "home")
    page.locator("#home-projects .card").wait_for()
    assert name in page.locator("#home-projects").inner_text()
    assert page.locator("#home-projects img").count() == 0
    assert page.title() == f"Home · {name} · Taskloom"  # shown, and not run

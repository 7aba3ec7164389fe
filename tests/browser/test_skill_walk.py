"""From the skill map to its rows, to a slider, to a variant with a better exam; a drafted name, a frozen skill."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core.base.files import write_json_atomic
from core.models.known_models import STARTER
from core.runs.creation import list_runs
from core.runs.folder import RunFolder
from core.runs.journal import SilentJournal
from core.runs.skill_names import read_given
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.training.session import train_run
from core.workspace import Project, Workspace
from tests.browser.driving import (
    PATIENCE_MS,
    open_screen,
    resting_place,
    running_app,
    wait_until_open,
    wait_until_ready,
)
from tests.toy_project import quick_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # a training and four processes with a model beside a browser

# Of mails the practice rows say no and the others yes, as if the labels had changed their meaning since. Letters
# say yes in all parts, so what was learned for them is what mails need.
SAID = {"mails": {"train": "no", "validation": "yes", "test": "yes"}, "letters": {}}
VARIANT = "Mails as letters"
FIELD = ":is(input, textarea)"
PARTS = {"train": 48, "validation": 12, "test": 12}


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Project, RunFolder]:
    """A run of the starter, trained for some steps, with evidence, an exam and a drafted name."""
    project = Workspace(tmp_path / "home").create_project("Desk")
    for name, said in SAID.items():
        lines = ["text,label,split"]
        for part, rows in PARTS.items():
            usual = said.get(part, "yes")
            other = {"yes": "no", "no": "yes"}[usual]
            lines += [f"{name} {part} {i},{other if i % 12 == 11 else usual},{part}" for i in range(rows)]
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        add_task(project, path, TaskRequest(name=name))
    quick = {
        "max_steps": 24,
        "stage2_steps": 2,
        "exam_rows": 12,
        "validation_rows": 12,
        "adapter.private_start": 0.0,
    }
    folder = quick_run(project, STARTER, **quick, exam_general=False, exam_base=False)
    train_run(folder, folder.read_config(), SilentJournal(folder))
    folder.write_done({"state": "succeeded", "ended": time.time(), "failure": None, "files": {}})
    write_json_atomic(folder.skill_drafts_path, {"common 1": {"kind": "", "words": ["letters", "mails"]}})
    return project, folder


def test_from_the_map_to_a_better_variant(chromium, trained: tuple[Project, RunFolder], tmp_path: Path) -> None:
    project, folder = trained
    with running_app(tmp_path / "home") as address:
        context = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US")
        try:
            walk(context, address, project, folder)
        finally:
            context.close()


def walk(context, address: str, project: Project, folder: RunFolder) -> None:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(address)
    wait_until_open(page)
    open_screen(page, "skills")
    edit_a_drafted_name(page, folder)
    click_a_cell(page)
    move_a_slider(page)
    keep_a_better_variant(page, project, folder)
    freeze_a_skill(page, folder)
    assert faults == []


def edit_a_drafted_name(page, folder: RunFolder) -> None:
    """The draft stands on the map and in the field of the name, and gives way to what a person writes."""
    page.locator("#skills-heatmap", has_text="common 1 ≈ letters / mails").wait_for()
    choose(page, "#skills-skill", "common 1 ≈ letters / mails")
    page.wait_for_function(f"document.querySelector('#skills-name {FIELD}')?.value === 'letters / mails'")
    page.locator(f"#skills-name {FIELD}").fill("post")
    page.locator("#skills-name-save").click()
    page.wait_for_function("document.querySelector('#skills-heatmap').textContent.includes('post')")
    assert read_given(folder.path) == {"common 1": "post"}


def click_a_cell(page) -> None:
    """The bottom right cell of the picture of evidence: the first task, all of its own skills."""
    cells = page.locator("#skills-evidence .heatmaplayer image").last
    box = resting_place(page, cells)
    page.mouse.click(box["x"] + box["width"] - 12, box["y"] + box["height"] - 12)
    page.locator("#skills-rows table").wait_for()


def freeze_a_skill(page, folder: RunFolder) -> None:
    """Train opens with the settings of the run and the skill as the method calls it; the
    variant can be chosen as any run."""
    page.wait_for_function("document.querySelector('#wish-skill input')?.value === 'post'")
    page.locator("#wish-freeze").click()
    page.locator("#tab-train-button[aria-selected=true]").first.wait_for()
    page.get_by_text(f"{folder.run_id} | common 1").first.wait_for()
    wait_until_ready(page)
    page.locator("#choose-run input").click()
    page.get_by_role("option", name=VARIANT).wait_for()


def move_a_slider(page) -> None:
    page.locator("#skills-what-if > button").click()
    choose(page, "#skills-task", "mails")
    page.locator("#skills-what-if", has_text="For mails").wait_for()  # its sliders stand as trained
    field = page.locator("#what-if-own input[type=number]")
    field.fill("0")
    field.press("Tab")
    page.locator("#what-if-ask").click()
    page.locator("#what-if-says", has_text="× 0").wait_for()
    field.fill("1")
    field.press("Tab")


def keep_a_better_variant(page, project: Project, folder: RunFolder) -> None:
    """What the evidence says, that mails do better with the row of letters, holds on the exam."""
    assert "mails does better with letters's row" in page.locator("#skills-evidence-says").inner_text()
    choose(page, "#what-if-row", "letters")
    page.locator("#what-if-ask").click()
    page.locator("#what-if-says", has_text="letters").wait_for()
    page.locator(f"#what-if-name {FIELD}").fill(VARIANT)
    page.locator("#job-what-if").click()
    kept = wait_for_variant(page, project)
    assert score(kept, "mails") > score(folder, "mails") + 0.5
    assert score(kept, "letters") == score(folder, "letters")  # the other answers as before
    page.locator("#job-what-if:not([disabled])").wait_for()


def wait_for_variant(page, project: Project) -> RunFolder:
    """The run that was kept, when it has sat its exam."""
    for _ in range(4 * PATIENCE_MS // 300):
        page.wait_for_timeout(300)
        for run in list_runs(project):
            if run.read_run().get("varied_from") and len((run.read_results() or {}).get("tasks", ())) == len(SAID):
                return run
    raise AssertionError("no kept variant has sat its exam")


def choose(page, field: str, name: str) -> None:
    page.locator(f"{field} input").click()
    page.get_by_role("option", name=name, exact=True).click()


def score(folder: RunFolder, task: str) -> float:
    results = folder.read_results()
    assert results is not None
    return next(float(one["tuned"]["value"]) for one in results["tasks"] if one["name"] == task)

"""The buttons around a run, clicked: safer settings, these settings, notes and star, the queue, the rehearsal."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from core.runs.creation import list_runs
from core.runs.folder import RunFolder
from core.runs.launching import kill_run, start_run
from core.runs.liveness import run_state
from core.runs.states import RunStatus
from tests.browser.driving import PATIENCE_MS, open_screen, running_app, wait_for_state, wait_until_open
from tests.toy_project import build_toy_project, quick_run
from tests.watching import wait_for

pytestmark = pytest.mark.browser
REDRAWN_MS = 2500
SHOTS = os.environ.get("TASKLOOM_SHOTS")  # a folder: pictures are taken on the way


@pytest.fixture
def project(tmp_path):
    project = build_toy_project(tmp_path)
    yield project
    for folder in list_runs(project):
        if run_state(folder).is_live:
            kill_run(folder)


def picture(page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def choose_run(page, folder: RunFolder) -> None:
    page.locator(f"#runs [data-id='{folder.run_id}']").first.click()
    page.locator("#run-progress b", has_text=folder.read_run()["name"]).first.wait_for(timeout=PATIENCE_MS)


def failed_run(project, model) -> RunFolder:
    """A run that ended without memory, as its worker would have left it."""
    folder = quick_run(project, model, exam_rows=2)
    values = {"stage": "stage1", "step": 3, "batch_size": 8}
    end = {"failure": "out_of_memory", "message_key": "training.out_of_memory", "message_values": values}
    folder.write_done({"state": "failed", "ended": time.time(), **end})
    folder.write_status(RunStatus(state="failed", **end))
    return folder


def test_every_button_around_a_run_does_what_it_says(chromium, project, tmp_path, tiny_model) -> None:
    failed = failed_run(project, tiny_model)
    with running_app(tmp_path) as address:
        page = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US").new_page()
        page.set_default_timeout(PATIENCE_MS)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        wait_until_open(page)
        open_screen(page, "train")
        choose_run(page, failed)
        assert "8 → 4" in page.locator("#run-progress").inner_text()
        picture(page, "failed")

        page.locator("#run-reuse").click()  # "Use these settings": the plan shows the run's settings
        page.locator("#ready", has_text="18 steps").wait_for()

        page.locator("#run-about button").first.click()
        page.locator(f"#runs [data-id='{failed.run_id}']").first.click()  # drawn anew while one types
        page.locator("#run-notes textarea").fill("too large a batch")
        page.wait_for_timeout(REDRAWN_MS)
        page.locator("#run-star input").check()
        page.locator("#run-save").click()
        page.locator("#runs", has_text="too large a batch").wait_for(timeout=PATIENCE_MS)
        assert failed.read_run()["starred"]
        picture(page, "about")

        page.locator("#run-mend").click()  # "Try again with safer settings"
        wait_for_state(page, "succeeded")
        mended = RunFolder(next(f.path for f in list_runs(project) if f.run_id != failed.run_id))
        assert (mended.read_config().batch_size, mended.read_config().accumulation) == (4, 2)
        page.locator("#measure-plot .main-svg").first.wait_for(timeout=PATIENCE_MS)
        page.locator("#live-skills .main-svg").first.wait_for(timeout=PATIENCE_MS)
        drawn = page.evaluate("document.querySelector('#loss-plot .plot-place').data.map(t => t.x.length)")
        assert min(drawn) > 3  # what came tick by tick is all there
        assert "python -m core rerun" in page.locator("#run-record").inner_text()
        picture(page, "mended")
        assert faults == []


@pytest.mark.slow  # a run at work, two waiting and a rehearsal beside a browser: minutes on two cores
def test_the_queue_is_moved_and_a_plan_is_rehearsed(chromium, project, tmp_path, tiny_model) -> None:
    long = {"max_steps": 100_000, "evaluate_every": 50, "checkpoint_every": 50}
    first, second, third = (quick_run(project, tiny_model, **long) for _ in range(3))
    start_run(first)
    wait_for(first, lambda s: s.state in ("starting", "running"))
    for folder in (second, third):
        start_run(folder)
    with running_app(tmp_path) as address:
        page = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale="zh-CN").new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        wait_until_open(page)
        open_screen(page, "train")
        page.locator("#queue .card").nth(1).wait_for()
        picture(page, "queue")
        page.locator(f"#queue [data-id='{third.run_id}'][data-act=up]").click()
        title = page.locator("#queue .card").first.locator(".card-title")
        page.locator("#queue .card .card-title", has_text=f"1 · {third.read_run()['name']}").wait_for()
        assert third.read_run()["name"] in title.inner_text()
        for folder in (third, second):
            page.locator(f"#queue [data-id='{folder.run_id}'][data-act=out]").click()
            assert wait_for(folder, lambda s: not s.is_live).state == "cancelled"
        choose_run(page, first)
        page.locator("#loss-plot .main-svg").first.wait_for()
        picture(page, "running")
        steps = "Math.max(0, ...document.querySelector('#loss-plot .plot-place').data[0].x)"
        before = page.evaluate(steps)
        page.wait_for_function(f"{steps} > {before} + 20", timeout=PATIENCE_MS)  # it grows without a reload
        (worker,) = __import__("core.runs.engines.local", fromlist=["x"]).worker_processes(first)
        worker.kill()
        killed = time.monotonic()
        wait_for_state(page, "interrupted")
        print(json.dumps({"interrupted_shown_after_s": round(time.monotonic() - killed, 1)}))
        picture(page, "interrupted")
        page.locator("#run-reuse").click()
        page.locator("#rehearse:not([disabled])").click()
        page.locator("#rehearsal .ok").wait_for(timeout=4 * PATIENCE_MS)
        picture(page, "rehearsed")
        assert json.loads((project.path / "rehearsals.json").read_text(encoding="utf-8"))
        page.locator("#ready", has_text="试跑实测").wait_for(timeout=PATIENCE_MS)

"""Driving the workbench in Debian's chromium: start the app, open a page, and the few gestures every test needs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.visiting import SCREENS as SCREENS

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 120_000  # a busy machine


@contextmanager
def running_app(workspace: Path, *more: str) -> Iterator[str]:
    """`python app.py` as a user starts it, on a free port; yields its address."""
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), "--workspace", str(workspace), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GRADIO_TEMP_DIR": str(workspace / "uploads")}
    with open(workspace / "app.log", "wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, process, workspace / "app.log")
        yield address
    finally:
        process.terminate()
        process.wait(20)


def wait_until_open(page) -> None:
    """The page has found its way back to where this browser was: the selectors on top are filled."""
    page.wait_for_function("document.querySelector('#choose-language input')?.value", timeout=PATIENCE_MS)


def open_screen(page, screen: str) -> None:
    """Clicks a tab; on a narrow page it may stand in the overflow menu."""
    tab = page.locator(f"#tab-{screen}-button").first
    if tab.is_visible():
        tab.click()
        return
    page.locator(".overflow-menu > button").first.click()
    number = SCREENS.index(screen)
    page.locator(".overflow-dropdown button").nth(number - page.locator("[role=tab]:visible").count()).click()


def drop(page, selector: str, path: Path) -> None:
    """Drops a file or a folder of this machine, and once more where the page did not take it: it may have moved."""
    for _ in range(2):
        with suppress(PlaywrightTimeout), page.expect_request("**/upload*", timeout=PATIENCE_MS / 2):
            drop_once(page, selector, path)
            return
    raise AssertionError(f"two drops of {path.name} on {selector} began no upload")


def drop_once(page, selector: str, path: Path) -> None:
    """The gesture, as the file manager would make it."""
    box = resting_place(page, page.locator(selector))
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    chrome = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver", "drop"):
        carried = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        chrome.send("Input.dispatchDragEvent", {"type": step, **place, "data": carried})


def resting_place(page, element) -> dict:
    """Where the element is once the page has stopped moving it: a drop goes to a point, not to an element."""
    box = None
    while True:
        element.scroll_into_view_if_needed()
        found = element.bounding_box()
        if found and found == box:
            return found
        box = found
        page.wait_for_timeout(300)


def fill_number(page, setting: str, value: float) -> None:
    field = page.locator(f"#set-{setting} input[type=number]").first
    field.fill(str(value))
    field.press("Tab")


def fill_plan(page, model, steps: int) -> None:
    """Sets base model, steps and a short exam in the form, as a user would."""
    open_screen(page, "train")
    field = page.locator("#set-base_model input")
    field.fill(str(model))
    field.press("Enter")
    page.get_by_label("Detailed").click()
    for fold in ("training", "evaluation"):
        page.locator(f"#fold-{fold} > button.label-wrap").click()
    for name, value in (("max_steps", steps), ("batch_size", 4), ("max_tokens", 128), ("validation_rows", 4)):
        fill_number(page, name, value)
    for name, value in (("exam_rows", 4), ("max_new_tokens", 4)):
        fill_number(page, name, value)
    wait_until_ready(page)


def wait_until_ready(page) -> None:
    """The Ready card says yes and Start can be pressed."""
    page.locator("#ready [data-ready=yes]").wait_for(timeout=PATIENCE_MS)
    page.locator("#start:not([disabled])").wait_for(timeout=PATIENCE_MS)


def wait_for_state(page, *states: str, timeout_ms: int = 4 * PATIENCE_MS) -> None:
    chosen = ", ".join(f"#run-progress [data-state={state}]" for state in states)
    page.locator(chosen).first.wait_for(timeout=timeout_ms)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(log.read_text(encoding="utf-8"))

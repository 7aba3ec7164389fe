"""Pictures of every screen in every state, both languages, light and dark, wide and narrow, to be looked at.

    python -m tests.browser.screens FOLDER [--state empty busy error ...] [--workspace DIR] [--few]

Starts the app and writes FOLDER/<state>-<screen>-<language>-<light|dark>-<width>.png. The states: `empty`, a first
visit; `busy`, the sample with a run at work; `error`, a file that cannot be read, a plan that is not ready and a
worker that was killed; `done`, whatever DIR holds (the only state with --workspace). `--few`: English, light, wide
only. Says which screens are wider than their window.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.browser.driving import ARGUMENTS, CHROMIUM, ROOT, SCREENS, open_screen, running_app, wait_until_open

LOCALES = {"en": "en-US", "zh": "zh-CN"}
HEIGHTS = {1440: 1000, 390: 844}
STATES = ("empty", "busy", "error")
SETTLE_MS = 1500
LOOKS = tuple(itertools.product(LOCALES, ("light", "dark"), HEIGHTS))


def call(workspace: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "core", *words, "--workspace", str(workspace), "--json"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@contextmanager
def prepared(state: str, workspace: Path) -> Iterator[None]:
    """The workspace in a state; a run that was started for it is ended afterwards."""
    if state not in ("busy", "error"):
        yield
        return
    call(workspace, "sample", "--name", "Sample project")
    run_id = call(workspace, "train", "Sample project", "--set", "epochs=40", "--background")["run_id"]
    if state == "error":
        (launched,) = workspace.glob(f"projects/*/runs/{run_id}/launch.json")
        os.kill(int(json.loads(launched.read_text(encoding="utf-8"))["pid"]), signal.SIGKILL)
    yield
    if state == "busy":
        call(workspace, "cancel", run_id)


def spoil(page, folder: Path) -> None:
    """A file that cannot be read, and a base model that is not there."""
    broken = folder / "broken.json"
    broken.write_text('[{"text": "a", "label": ', encoding="utf-8")
    open_screen(page, "tasks")
    page.locator("#task-files input[type=file]").set_input_files([broken])
    page.locator("#task-report li.bad").wait_for()
    open_screen(page, "train")
    page.locator("#ready [data-ready]").wait_for()  # the form has been filled
    field = page.locator("#set-base_model input")
    field.fill("/no/such/model")
    field.press("Enter")
    page.locator("#ready [data-ready=no]").wait_for()


def shoot(browser: Browser, address: str, folder: Path, state: str, look: tuple[str, str, int]) -> None:
    """All screens of one combination of language, light or dark, and width."""
    language, theme, width = look
    size = {"width": width, "height": HEIGHTS[width]}
    context = browser.new_context(viewport=size, locale=LOCALES[language])
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto(f"{address}/?__theme={theme}")
    wait_until_open(page)
    if state == "error":
        spoil(page, folder)
    for screen in SCREENS:
        open_screen(page, screen)
        page.wait_for_timeout(SETTLE_MS)
        page.locator("body:not([data-loading])").wait_for(state="attached")
        page.wait_for_timeout(SETTLE_MS)  # plots follow
        name = f"{state}-{screen}-{language}-{theme}-{width}"
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            print(f"{name}: {wide} px wide")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--state", nargs="+", choices=STATES, default=STATES)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--few", action="store_true")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGUMENTS)
        for state in ("done",) if chosen.workspace else chosen.state:
            with tempfile.TemporaryDirectory() as fresh:
                workspace = chosen.workspace or Path(fresh)
                with prepared(state, workspace), running_app(workspace) as address:
                    for look in LOOKS[:1] if chosen.few else LOOKS:
                        shoot(browser, address, chosen.folder, state, look)
        browser.close()


if __name__ == "__main__":
    main()

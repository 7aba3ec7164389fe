"""Makes the tutorial true: runs its commands, writes their outputs into it, and takes its pictures.

    python -m tests.browser.tutorial DATA [--workspace DIR] [--write] [--pictures [SCREEN ...]]

DATA is the folder with `customer_service/domain.json`. The commands are those of the bash blocks of
assets/docs/tutorial.md, in a fresh workspace (or in DIR, which is kept). --write puts each block's output behind it
in both languages; --pictures takes assets/docs/screens/tutorial-*.png from the workspace afterwards, and home.png,
what a first visitor sees; with names of screens only theirs.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.browser.driving import ROOT

DOCS = ROOT / "assets" / "docs"
PAGES = {"en": DOCS / "tutorial.md", "zh": DOCS / "tutorial.zh.md"}
BLOCK = re.compile(r"```bash\n(.*?)```\n<!-- output -->\n(?:```text\n.*?```\n)?", re.DOTALL)
SCREENS = ("tasks", "train", "results", "skills", "try_it")
LOCALES = {"en": "en-US", "zh": "zh-CN"}
MOST_LINES = 24
LOOKED_AT = """() => {
  const cards = document.querySelectorAll('#task-cards .card');
  return cards.length && [...cards].every(card => card.querySelector('.badge'));
}"""


def blocks(page: str) -> list[list[str]]:
    """The commands of every bash block that is followed by its output."""
    return [found[1].splitlines() for found in BLOCK.finditer(page)]


def run_block(commands: list[str], workspace: Path, data: Path, run_id: str) -> tuple[str, str]:
    """-> what the commands printed (ids and folders as the page names them), the id of the run that was made."""
    lines = []
    for command in commands:
        words = [w.replace("DATA", str(data)) if w.startswith("DATA") else w for w in shlex.split(command)]
        words = [run_id if word == "RUN" else word for word in words]
        environment = {**os.environ, "TASKLOOM_HOME": str(workspace), "PYTHONPATH": str(ROOT), "COLUMNS": "110"}
        how = {"cwd": workspace, "env": environment, "capture_output": True, "text": True, "check": False}
        done = subprocess.run([sys.executable, *words[1:]], **how)
        if done.returncode:
            raise SystemExit(f"{command}\n{done.stdout}{done.stderr}")
        lines += [*done.stdout.rstrip().splitlines(), ""]
        made = re.search(r"\br\d{8}-\d{6}-[0-9a-f]{8}\b", done.stdout)
        run_id = run_id or (made[0] if made else "")
    text = "\n".join(lines).rstrip().replace(run_id or "RUN", "RUN").replace(str(data), "DATA")
    return text.replace(str(workspace), "~"), run_id


def shorten(text: str) -> str:
    lines = text.splitlines()
    return text if len(lines) <= MOST_LINES else "\n".join([*lines[:MOST_LINES], "..."])


def with_outputs(page: str, outputs: list[str]) -> str:
    given = iter(outputs)
    return BLOCK.sub(lambda m: f"```bash\n{m[1]}```\n<!-- output -->\n```text\n{shorten(next(given))}\n```\n", page)


def take_pictures(workspace: Path, screens: Sequence[str]) -> None:
    """Screens of the tutorial in both languages: English as `tutorial-<screen>.png`, Chinese with `-zh`."""
    from playwright.sync_api import sync_playwright

    from tests.browser.driving import ARGUMENTS, CHROMIUM, open_screen, running_app, wait_until_open

    def opened(browser, address: str, locale: str, height: int = 860):
        page = browser.new_context(viewport={"width": 1280, "height": height}, locale=locale).new_page()
        page.set_default_timeout(300_000)
        page.goto(f"{address}/?__theme=light")
        wait_until_open(page)
        page.wait_for_timeout(4000)
        return page

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGUMENTS)
        if "home" in screens:
            with tempfile.TemporaryDirectory() as fresh, running_app(Path(fresh)) as address:
                opened(browser, address, "en-US", 800).screenshot(path=DOCS / "screens" / "home.png")
        with running_app(workspace) as address:
            for language, locale in LOCALES.items():
                shoot(opened(browser, address, locale), language, open_screen, screens)
        browser.close()


def shoot(page, language: str, open_screen: Callable[..., None], screens: Sequence[str]) -> None:
    for screen in (screen for screen in SCREENS if screen in screens):
        open_screen(page, screen)
        if screen == "try_it":
            ask(page)
        if screen == "tasks":  # every card has its badge once the rows have been looked at
            page.wait_for_function(LOOKED_AT)
        page.locator("body:not([data-loading])").wait_for(state="attached")
        page.wait_for_timeout(4000)
        suffix = "" if language == "en" else f"-{language}"
        page.screenshot(path=DOCS / "screens" / f"tutorial-{screen}{suffix}.png")


def ask(page) -> None:
    page.locator("#try-input-0 textarea").fill("When did no wait where did the Normans settle?")
    page.locator("#try-ask").click()
    page.locator(".answer.tuned[data-done='1']").wait_for()
    page.locator(".answer.tuned button[data-act=compare]").click()
    page.locator(".answer.base[data-done='1']").wait_for()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--pictures", nargs="*", metavar="SCREEN")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        workspace = (chosen.workspace or Path(fresh)).resolve()
        workspace.mkdir(parents=True, exist_ok=True)
        if chosen.pictures is None or not (workspace / "projects").is_dir():
            outputs, run_id = [], ""
            for commands in blocks(PAGES["en"].read_text(encoding="utf-8")):
                text, run_id = run_block(commands, workspace, chosen.data.resolve(), run_id)
                print(text, flush=True)
                outputs.append(text)
            for page in PAGES.values() if chosen.write else ():
                page.write_text(with_outputs(page.read_text(encoding="utf-8"), outputs), encoding="utf-8")
        if chosen.pictures is not None:
            take_pictures(workspace, chosen.pictures or ("home", *SCREENS))


if __name__ == "__main__":
    main()

"""Pictures of every screen in both languages, light and dark, wide and narrow, for a person to look at.

    python -m tests.browser.screens FOLDER [--workspace DIR] [--few]

Starts the app over the workspace (default: a fresh one) and writes
FOLDER/<screen>-<language>-<light|dark>-<width>.png. `--few`: English, light, wide only.
Says which screens are wider than their window.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.driving import ARGUMENTS, CHROMIUM, SCREENS, open_screen, running_app, wait_until_open

LOCALES = {"en": "en-US", "zh": "zh-CN"}
HEIGHTS = {1440: 1000, 390: 844}
SETTLE_MS = 1500


def shoot(browser: Browser, address: str, folder: Path, language: str, theme: str, width: int) -> None:
    """All screens of one combination."""
    size = {"width": width, "height": HEIGHTS[width]}
    context = browser.new_context(viewport=size, locale=LOCALES[language])
    page = context.new_page()
    page.goto(f"{address}/?__theme={theme}")
    wait_until_open(page)
    for screen in SCREENS:
        open_screen(page, screen)
        page.wait_for_timeout(SETTLE_MS)
        name = f"{screen}-{language}-{theme}-{width}"
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            print(f"{name}: {wide} px wide")
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--few", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    wanted = itertools.product(("en",), ("light",), (1440,)) if arguments.few else itertools.product(
        LOCALES, ("light", "dark"), HEIGHTS
    )
    with tempfile.TemporaryDirectory() as fresh, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGUMENTS)
        with running_app(arguments.workspace or Path(fresh)) as address:
            for language, theme, width in wanted:
                shoot(browser, address, arguments.folder, language, theme, width)
        browser.close()


if __name__ == "__main__":
    main()

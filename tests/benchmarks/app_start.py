"""How long `python app.py` takes to the first usable screen, and what the idle page process holds in memory.

    python tests/benchmarks/app_start.py [--runs 3]

Prints seconds until the server answers, until a browser shows the first screen (when Debian's chromium is there),
and the resident memory ten seconds later.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.browser.driving import ARGUMENTS, CHROMIUM, free_port, wait_until_open  # noqa: E402

IDLE_S = 10


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as workspace:
        port = free_port()
        began = time.monotonic()
        command = [sys.executable, "app.py", "--port", str(port), "--workspace", workspace]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for_answer(address)
            answered = time.monotonic() - began
            shown = show_page(address, began) if CHROMIUM.exists() else float("nan")
            time.sleep(IDLE_S)
            memory = psutil.Process(process.pid).memory_info().rss / 2**20
            return {"answers_s": answered, "usable_s": shown, "idle_mb": memory}
        finally:
            process.terminate()
            process.wait(20)


def wait_for_answer(address: str) -> None:
    while True:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.05)


def show_page(address: str, began: float) -> float:
    """Seconds from the command until every selector of the first screen is filled."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGUMENTS)
        page = browser.new_page()
        page.goto(address)
        wait_until_open(page)
        seconds = time.monotonic() - began
        browser.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    for number in range(parser.parse_args().runs):
        values = measure()
        said = ", ".join(f"{name} {value:.1f}" for name, value in values.items())
        print(f"run {number + 1}: {said}", flush=True)


if __name__ == "__main__":
    main()

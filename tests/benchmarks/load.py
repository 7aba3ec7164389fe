"""Many visitors on one page while a run trains: how long a click takes, whether anything fails, what memory does.

    python tests/benchmarks/load.py --minutes 10 --visitors 20 --pages 2 --write

Visitors are `tests/visiting.py` sessions: they send what a page sends, follow what follows, poll like a page, and
think a few seconds between clicks. Each owns a copy of the sample project with a trained run (one quick training,
copied on disk before the page opens). One of them trains the sample all the while. With --pages, Debian's chromium
opens real pages that click too. `--write` puts the figures into assets/docs/load.md.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.runs.creation import create_run  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.launching import start_run  # noqa: E402
from core.runs.liveness import run_state  # noqa: E402
from core.tasks.changing.sample import load_sample  # noqa: E402
from core.training.config import RunConfig, change_config, config_to_yaml  # noqa: E402
from core.workspace import Project, Workspace  # noqa: E402
from tests.browser.driving import ARGUMENTS, CHROMIUM, running_app  # noqa: E402
from tests.visiting import Visitor  # noqa: E402

PAGE = ROOT / "assets" / "docs" / "load.md"
QUICK = {
    "max_steps": 20, "stage2_steps": 4, "batch_size": 4, "exam_rows": 4, "max_new_tokens": 8, "evaluate_every": 10,
    "validation_rows": 4, "num_threads": 1,
}  # fmt: skip
LONG = {"max_steps": 1_000_000, "num_threads": 1, "validation_rows": 4, "evaluate_every": 500}
THINK_S = (3.0, 9.0)  # between two clicks of one visitor
SCREEN_OF = {"task": "tasks", "train": "train", "level": "train", "skills": "skills", "moment": "skills"}
TICK_S, BUSY_TICK_S = 6.0, 1.5  # as app/frame/workbench.py


@dataclass
class Record:
    """What was measured; threads append to it."""

    clicks: list[tuple[str, float]] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)  # (seconds since the start, MB)
    opened_s: list[float] = field(default_factory=list)
    step: tuple[int, int] = (0, 0)
    processor: dict[str, float] = field(default_factory=dict)
    page: str = ""  # what it weighs, in words


def prepare(root: Path, visitors: int) -> list[str]:
    """A project with a trained run for every visitor; -> their owner ids."""
    workspace = Workspace(root)
    first = workspace.create_project("Desk", "0" * 32)
    load_sample(first)
    folder = create_run(first, change_config(RunConfig(), QUICK))
    start_run(folder)
    while run_state(folder).is_live:
        time.sleep(0.5)
    if run_state(folder).state != "succeeded":
        raise SystemExit(folder.read_log())
    owners = [f"{number:032x}" for number in range(visitors)]
    for owner in owners[1:]:
        copy_project(workspace, first, folder, owner)
    return owners


def copy_project(workspace: Workspace, project: Project, run: RunFolder, owner: str) -> None:
    """The same files under new ids."""
    copy = workspace.create_project(project.name, owner)
    shutil.copytree(project.tasks_dir, copy.tasks_dir, dirs_exist_ok=True)
    new = copy.runs_dir / f"{run.run_id[:-2]}{owner[-2:]}"
    shutil.copytree(run.path, new)
    record = json.loads((new / "run.json").read_text(encoding="utf-8"))
    (new / "run.json").write_text(json.dumps({**record, "run_id": new.name}), encoding="utf-8")


class Guest(threading.Thread):
    """One visitor: clicks through Tasks, Train, Skills and chat until the end, and polls in between. `source`: the
    address it comes from, where that is to be another one."""

    source = ""

    def __init__(self, address: str, owner: str, record: Record, until: float) -> None:
        super().__init__(daemon=True)
        self.record, self.until, self.owner, self.address = record, until, owner, address
        self.draw = random.Random(owner)
        self.trains = owner == "0" * 32
        self.page: Any = None
        self.screen = ""

    def run(self) -> None:
        try:
            self._open()
            while time.monotonic() < self.until:
                self._think(self.draw.uniform(*THINK_S))
                self._click(self.draw.choice(("task", "task", "train", "level", "skills", "moment", "chat")))
        except Exception as error:
            self.record.errors.append(f"{type(error).__name__}: {str(error)[:200]}")

    def _open(self) -> None:
        self.page = Visitor(self.address, source=self.source)
        prefs = next(c["id"] for c in self.page.components.values() if c["type"] == "browserstate")
        self.page.values[prefs] = {"owner": self.owner, "language": self.draw.choice(("en", "zh"))}
        self.page.open()
        self.record.opened_s.append(self.page.seconds[-1][1])
        if self.trains:
            self.page.look_at("train")
            self.page.values[self.page.ids["yaml"]] = config_to_yaml(change_config(RunConfig(), LONG))
            self.page.fire("yaml-apply", "click")
            self.page.fire("start", "click")

    def _think(self, seconds: float) -> None:
        """Nothing but the page's own polling."""
        end = time.monotonic() + seconds
        while time.monotonic() < min(end, self.until):
            time.sleep(min(BUSY_TICK_S if self.trains else TICK_S, max(0.0, end - time.monotonic())))
            self._timed("poll", self.page.tick)

    def _click(self, kind: str) -> None:
        page, draw = self.page, self.draw
        screen = SCREEN_OF.get(kind, "try_it")
        if screen != self.screen:
            self.screen = screen
            self._timed(f"open {screen}", lambda: page.look_at(screen))
        if kind == "task":
            card = draw.choice(page.value("task-cards"))
            click = {"id": card["id"], "act": "open"}
            self._timed("Tasks: choose", lambda: page.fire("task-cards", "click", click))
        elif kind == "train":
            cards = page.value("runs") or []
            if cards and not self.trains:
                card = draw.choice(cards)
                click = {"id": card["id"], "act": "open"}
                self._timed("Train: choose a run", lambda: page.fire("runs", "click", click))
        elif kind == "level":
            goal = {"id": draw.choice(("quick", "balanced", "best")), "act": "open"}
            self._timed("Train: goal", lambda: page.fire("goals", "click", goal))
        elif kind == "skills":
            ends = page.components[page.ids["skills-layer"]]["props"]  # of a run that has just begun: 0 and 1
            layer = draw.randint(0, min(3, int(ends["maximum"])))
            self._timed("Skills: layer", lambda: page.fire("skills-layer", "change", value=layer))
        elif kind == "moment":
            colours = draw.choice(("weights", "lean"))
            self._timed("Skills: colours", lambda: page.fire("skills-view", "input", value=colours))
        elif not self.trains:
            page.values[page.ids["try-input-0"]] = draw.choice(("My card was stolen.", "Great screen."))
            started = time.monotonic()
            page.fire("try-ask", "click")
            self.record.answers.append(time.monotonic() - started)

    def _timed(self, name: str, act: Any) -> None:
        started = time.monotonic()
        act()
        self.record.clicks.append((name, time.monotonic() - started))


def click_real_pages(address: str, pages: int, record: Record, until: float) -> None:
    """Chromium pages that change screens all the while; scripts that fail are errors."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=ARGUMENTS)
        opened = [browser.new_page() for _ in range(pages)]
        for page in opened:
            page.set_default_timeout(120_000)
            page.on("pageerror", lambda error: record.errors.append(f"script: {error}"))
            page.goto(address)
        while time.monotonic() < until:
            for page in opened:
                for screen in ("tasks", "train", "skills", "home"):
                    page.locator(f"#tab-{screen}-button").first.click()
                    page.wait_for_timeout(1500)
                for said in page.locator(".toast-body.error").all_inner_texts():
                    record.errors.append(f"a real page says: {' '.join(said.split())[:300]}")
        browser.close()


def watch(record: Record, until: float, root: Path) -> None:
    """Memory of the UI process, and how far the training is."""
    app = next(c for c in psutil.Process().children() if "app.py" in " ".join(c.cmdline()))
    began, before = time.monotonic(), app.cpu_times()
    while time.monotonic() < until:
        record.memory_mb.append((time.monotonic() - began, app.memory_info().rss / 2**20))
        steps = [RunFolder(p.parent).read_status().step for p in root.glob("projects/*/runs/*/worker.lock")]
        record.step = (record.step[0], max(steps, default=0))
        time.sleep(2)
    after = app.cpu_times()
    record.processor["UI process, share of a core"] = sum(after[:2]) - sum(before[:2])
    record.processor = {k: v / (time.monotonic() - began) for k, v in record.processor.items()}


def weigh(address: str) -> str:
    """The page itself, as a browser loads it first (Gradio's own scripts, which it keeps, aside)."""
    with urllib.request.urlopen(address) as answer:
        page = answer.read()
    return f"The page: {len(page) / 1024:.0f} KB, packed {len(gzip.compress(page)) / 1024:.0f} KB."


def measure(arguments: argparse.Namespace, root: Path) -> Record:
    record = Record()
    owners = prepare(root, arguments.visitors)
    os.environ["TASKLOOM_QUOTA"] = "minutes=600"
    with running_app(root, "--shared") as address:
        record.page = weigh(address)
        until = time.monotonic() + 60 * arguments.minutes
        guests = [Guest(address, owner, record, until) for owner in owners]
        for guest in guests:
            guest.start()
            time.sleep(0.3)
        watcher = threading.Thread(target=watch, args=(record, until, root), daemon=True)
        watcher.start()
        if arguments.pages and CHROMIUM.exists():
            click_real_pages(address, arguments.pages, record, until)
        for thread in (*guests, watcher):
            thread.join(180)
        stop_training(root)
    return record


def stop_training(root: Path) -> None:
    from core.runs.launching import cancel_run

    for path in root.glob("projects/*/runs/*/worker.lock"):
        folder = RunFolder(path.parent)
        if run_state(folder).is_live:
            cancel_run(folder)
            while folder.is_alive():
                time.sleep(0.2)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def describe(record: Record, arguments: argparse.Namespace, others: str) -> str:
    """The figures as a Markdown table."""
    clicks = [seconds for name, seconds in record.clicks if name != "poll"]
    lines = [
        f"{arguments.visitors} visitors and {arguments.pages} chromium pages, {arguments.minutes:g} minutes,"
        f" {os.cpu_count()} cores; {others}.",
        "", "| event | times | median s | p95 s | worst s |", "| --- | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name in sorted({name for name, _ in record.clicks}):
        took = [seconds for n, seconds in record.clicks if n == name]
        lines.append(row(name, took))
    lines += [row("**all clicks**", clicks), row("chat: whole answers", record.answers)]
    lines.append(row("opening the page", record.opened_s))
    memory = [mb for _, mb in record.memory_mb]
    fifth = max(1, len(memory) // 5)
    early, late = sum(memory[fifth : 2 * fifth]) / fifth, sum(memory[-fifth:]) / fifth
    lines += [
        "", f"Errors: {len(record.errors)}. Memory of the UI process: {early:.0f} MB (second fifth of the time), "
        f"{late:.0f} MB (last fifth), {max(memory):.0f} MB at most. Training went on to step {record.step[1]}.",
        "; ".join(f"{name}: {value:.2f}" for name, value in record.processor.items()) + ". " + record.page,
    ]  # fmt: skip
    return "\n".join(lines)


def row(name: str, took: list[float]) -> str:
    if not took:
        return f"| {name} | 0 | | | |"
    cells = " | ".join(f"{v:.2f}" for v in (quantile(took, 0.5), quantile(took, 0.95), max(took)))
    return f"| {name} | {len(took)} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="put the figures into assets/docs/load.md")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="taskloom-load-") as folder:
        record = measure(arguments, Path(folder))
    others = f"load average of the machine {load:.1f} before the start"
    text = describe(record, arguments, others)
    print(text)
    for error in record.errors[:20]:
        print("error:", error)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition("<!-- load:begin -->\n")
        tail = rest.partition("<!-- load:end -->")[2]
        PAGE.write_text(f"{head}<!-- load:begin -->\n{text}\n<!-- load:end -->{tail}", encoding="utf-8")
    sys.exit(bool(record.errors))


if __name__ == "__main__":
    main()

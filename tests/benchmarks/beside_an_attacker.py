"""Many visitors beside a training and one hostile visitor: what the others notice of him.

    python -m tests.benchmarks.beside_an_attacker --minutes 10 --visitors 20 --folder /tmp/attacked --write

The visitors click and the training runs as in `load.py`; the attacks are those of `tests/security/hostile.py`, from
an address of their own. `--peaceful` measures the same without them. Every ten seconds what was seen is written to
the folder, so that a measurement that was broken off goes on where it was when it is called with the same folder;
the time of both arms (with and without) is counted apart. `--write` puts the table of all that lies there into
assets/docs/load.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.load import PAGE, Guest, Record, prepare, quantile, stop_training, watch
from tests.browser.driving import running_app
from tests.security.hostile import attacking

EVERY_S = 10.0
SOON_S = 1.0  # the goal: 95 % of the clicks
BEGIN, END = "<!-- attacked:begin -->\n", "<!-- attacked:end -->"


class Journal:
    """What was seen, a line every EVERY_S: {arm, seconds, load, clicks, errors, memory_mb, step, ...}."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, arm: str) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the last one was cut off
                found.append(json.loads(line))
        return [line for line in found if line["arm"] == arm]

    def seconds(self, arm: str) -> float:
        return float(sum(line["seconds"] for line in self.lines(arm)))

    @contextlib.contextmanager
    def keeping(self, arm: str, record: Record, told: Path) -> Iterator[None]:
        """While the block runs, and once at its end."""
        done = threading.Event()
        writer = threading.Thread(target=self._keep, args=(arm, record, told, done), daemon=True)
        writer.start()
        try:
            yield
        finally:
            done.set()
            writer.join()

    def _keep(self, arm: str, record: Record, attacks: Path, done: threading.Event) -> None:
        began, told, is_last = time.monotonic(), Counter[str](), False
        taken, refused = Counter[str](), Counter[str]()
        while not is_last:
            is_last = done.wait(EVERY_S)
            now = time.monotonic()
            line: dict[str, Any] = {"arm": arm, "seconds": now - began, "load": os.getloadavg()[0]}
            for name in ("clicks", "errors", "memory_mb", "opened_s"):
                values = getattr(record, name)[told[name] :]
                told[name] += len(values)
                line[name] = values
            seen = json.loads(attacks.read_text(encoding="utf-8")) if attacks.exists() else {}
            new_taken, new_refused = (Counter(seen.get(kind, {})) for kind in KINDS)
            line |= {"taken": new_taken - taken, "refused": new_refused - refused, "step": record.step[1]}
            taken, refused, began = new_taken, new_refused, now
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def measure(arguments: argparse.Namespace, folder: Path, arm: str) -> None:
    """What is left of the minutes of this arm."""
    root, ready, journal = folder / "home", folder / "prepared.json", Journal(folder / "seen.jsonl")
    left = 60 * arguments.minutes - journal.seconds(arm)
    if left <= 0:
        return
    if not ready.exists():
        ready.write_text(json.dumps(prepare(root, arguments.visitors)), encoding="utf-8")
    owners = json.loads(ready.read_text(encoding="utf-8"))
    stop_training(root)  # of a measurement that was broken off
    record = Record()
    with running_app(root, "--shared") as address:
        until, told = time.monotonic() + left, folder / "attacks.json"
        told.unlink(missing_ok=True)
        with journal.keeping(arm, record, told), contextlib.ExitStack() as held:
            threads: list[threading.Thread] = [Guest(address, owner, record, until) for owner in owners]
            threads.append(threading.Thread(target=watch, args=(record, until, root), daemon=True))
            for thread in threads:
                thread.start()
                time.sleep(0.3)
            if arm == "attacked":
                held.enter_context(attacking(address, root, told))
            for thread in threads:
                thread.join(max(1.0, until + 180 - time.monotonic()))
        stop_training(root)


def describe(journal: Journal, arm: str, visitors: int) -> list[str]:
    """One column of the table."""
    lines = journal.lines(arm)
    clicks = [took for line in lines for name, took in line["clicks"] if name != "poll"]
    polls = [took for line in lines for name, took in line["clicks"] if name == "poll"]
    memory = [mb for line in lines for _, mb in line["memory_mb"]]
    fifth = max(1, len(memory) // 5)
    loads = [line["load"] for line in lines]
    soon = sum(took <= SOON_S for took in clicks) / max(1, len(clicks))
    errors = [error for line in lines for error in line["errors"]]
    return [
        f"{journal.seconds(arm) / 60:.1f}", str(visitors), f"{min(loads):.1f} to {max(loads):.1f}",
        str(len(clicks)), f"{100 * soon:.1f} %",
        f"{quantile(clicks, 0.5):.2f}, {quantile(clicks, 0.95):.2f}, {max(clicks):.2f}",
        f"{quantile(polls, 0.5):.2f}, {quantile(polls, 0.95):.2f}", str(len(errors)),
        f"{sum(memory[fifth : 2 * fifth]) / fifth:.0f}, {sum(memory[-fifth:]) / fifth:.0f}, {max(memory):.0f}",
        str(max(line["step"] for line in lines)),
    ]  # fmt: skip


KINDS = ("taken", "refused")
NAMES = (
    "minutes", "visitors", "load average of the machine meanwhile", "clicks", f"within {SOON_S:g} s",
    "a click, s: median, 95 %, worst", "a poll, s: median, 95 %", "errors of visitors",
    "memory of the page, MB: second fifth, last fifth, most", "steps of the training",
)  # fmt: skip


def table(journal: Journal, visitors: int) -> str:
    arms = {"beside the attacker": "attacked", "without him": "peaceful"}
    columns = {title: describe(journal, arm, visitors) for title, arm in arms.items() if journal.lines(arm)}
    rows = [f"| | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    rows += [f"| {name} | {' | '.join(c[n] for c in columns.values())} |" for n, name in enumerate(NAMES)]
    taken, refused = (sum((Counter(line[k]) for line in journal.lines("attacked")), Counter()) for k in KINDS)
    if taken or refused:
        rows += ["", "| attack | carried out | refused |", "| --- | ---: | ---: |"]
        rows += [f"| {kind} | {taken[kind]} | {refused[kind]} |" for kind in sorted({*taken, *refused})]
    cores = f"{os.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GB."
    return "\n".join([cores, "", *rows])


def write(text: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keeps what was seen; without one all of it goes at the end")
    parser.add_argument("--peaceful", action="store_true", help="the other arm: nobody attacks")
    parser.add_argument("--write", action="store_true", help="put the figures into assets/docs/load.md")
    arguments = parser.parse_args()
    os.environ["TASKLOOM_QUOTA"] = "minutes=600"
    with contextlib.ExitStack() as held:
        folder = arguments.folder or Path(held.enter_context(tempfile.TemporaryDirectory(prefix="attacked-")))
        (folder / "home").mkdir(parents=True, exist_ok=True)
        measure(arguments, folder, "peaceful" if arguments.peaceful else "attacked")
        journal = Journal(folder / "seen.jsonl")
        text = table(journal, arguments.visitors)
        errors = [e for arm in ("attacked", "peaceful") for line in journal.lines(arm) for e in line["errors"]]
    print(text)
    for error in errors[:20]:
        print("error:", error)
    if arguments.write:
        write(text)
    sys.exit(bool(errors))


if __name__ == "__main__":
    main()

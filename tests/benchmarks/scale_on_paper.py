"""1,000 experts, 10,000 tasks, 200 cards, on paper: which part of one machine's design is full first.

    python tests/benchmarks/scale_on_paper.py [--write]

A day of a domain's experts is simulated (when runs begin, which wait for a card, how long), and what that asks of
each part is set against what the part costs on this machine. Costs of SQLite, of heartbeats and of an engine's
answer are measured here, in processor time, which other people's load leaves nearly alone; those of lists and of
the page are of assets/docs/scale.json and load.md. `--write` puts all into assets/docs/scale_on_paper.json.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

import psutil  # noqa: E402

from core.base.processes import Order, python, run_to_end, start_piped  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.queue_db import RunQueue  # noqa: E402

DOCS = ROOT / "assets" / "docs"
DAY_S = 8 * 3600.0
EXPERTS = (10, 30, 100, 300, 1000)
# load.md, a nearly quiet machine on 30 November: share of a core of the page's process with 20 visitors.
PAGE_CORE, PAGE_VISITORS = 0.65, 20
BEAT_S, ASK_S, POLL_S = 1.0, 5.0, 0.25  # a worker's heartbeat, an engine's answer, a look into the queue


@dataclass(frozen=True)
class Day:
    """Assumptions, none of them measured: an expert has ten tasks in two projects, trains twice a day, looks at the
    page a quarter of the day; a training takes 25 minutes on a card in the middle, one in six an hour or more."""

    tasks_an_expert: int = 10
    projects_an_expert: int = 2
    runs_a_day: float = 2.0
    minutes: float = 25.0
    spread: float = 0.9  # of the logarithm of a run's time
    on_page: float = 0.25
    cards: int = 200
    days_kept: int = 60


def simulate(day: Day, experts: int, cards: int, seed: int = 0) -> dict[str, float]:
    """One day: experts begin runs at random, a card takes the one that waits longest."""
    draw = random.Random(seed)
    begins = sorted(draw.uniform(0, DAY_S) for _ in range(round(experts * day.runs_a_day)))
    free, waits, ends, busy = [0.0] * cards, [], [], 0.0
    for begin in begins:
        start = max(begin, heapq.heappop(free))
        took = 60 * day.minutes * draw.lognormvariate(0, day.spread)
        heapq.heappush(free, start + took)
        waits.append(start - begin)
        ends.append((start, start + took))
        busy += max(0.0, min(DAY_S, start + took) - start)
    waiting = [sum(b <= t < b + w for b, w in zip(begins, waits, strict=True)) for t in _times()]
    training = [sum(s <= t < e for s, e in ends) for t in _times()]
    ordered = sorted(waits)
    return {
        "runs": len(begins),
        "cards busy": round(busy / (cards * DAY_S), 3),
        "wait median s": round(ordered[len(ordered) // 2], 1),
        "wait 95 % s": round(ordered[int(0.95 * len(ordered))], 1),
        "most waiting": max(waiting),
        "most training": max(training),
    }


def _times() -> list[float]:
    return [DAY_S * k / 200 for k in range(200)]


def spent(act: Callable[[], object], times: int) -> float:
    """Processor seconds of one call, children included; the least of three rounds."""

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in both)

    rounds = []
    for _ in range(3):
        before = used()
        for _ in range(times):
            act()
        rounds.append((used() - before) / times)
    return min(rounds)


def measure() -> dict[str, float]:
    """What each part costs here, in seconds of a processor or megabytes."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        queue, run = RunQueue(root), root / "projects" / "p" / "runs" / "r"
        run.mkdir(parents=True)

        def write() -> None:
            queue.enqueue(run, "cpu")
            queue.dequeue("r")

        found = {"queue write": spent(write, 100) / 2}
        for depth in (10, 100, 1000):
            while len(queue.waiting()) < depth:
                queue.enqueue(run.with_name(f"r{len(queue.waiting())}"), "cpu")
            found[f"queue read, {depth} waiting"] = spent(queue.waiting, 50)
        folder = RunFolder(run)
        beat = json.dumps({"time": time.time(), "steady": 1.0, "moved": 1.0, "boot": "b"})
        found["heartbeat"] = spent(lambda: folder.heartbeat_path.write_text(beat, encoding="ascii"), 300)
        found["program of an engine"] = spent(lambda: run_to_end(Order(("true",)), 10.0), 20)
        found["memory of a waiting worker MB"] = _waiting_memory()
    listed = json.loads((DOCS / "scale.json").read_text(encoding="utf-8"))["after"]
    found["a run in a list, from its folder"] = listed["alone: list from the folders"]["here_s"] / 2000
    found["a run in a list, remembered"] = listed["alone: list again"]["here_s"] / 2000
    found["a project on Home"] = listed["spread: Home again"]["here_s"] / 500
    found["a visitor"] = PAGE_CORE / PAGE_VISITORS
    return {name: float(f"{value:.3g}") for name, value in found.items()}


def _waiting_memory() -> float:
    """Of a process that has loaded what a worker loads before it waits."""
    code = "import core.worker, sys; print('here', flush=True); sys.stdin.read()"
    child = start_piped(Order(python("-c", code)), Path(os.devnull))
    try:
        assert child.stdout is not None
        child.stdout.readline()
        return psutil.Process(child.pid).memory_info().rss / 2**20
    finally:
        child.kill()
        child.communicate()


def loads(day: Day, experts: int, cost: dict[str, float]) -> dict[str, Any]:
    """What such a day asks of each part, at its fullest moment, in cores of a processor, seconds of one, gigabytes.
    Above one core a part of one process is full; SQLite has one writer."""
    one = simulate(day, experts, day.cards)
    live = one["most training"] + one["most waiting"]
    kept = experts * day.runs_a_day * day.days_kept
    visitors = experts * day.on_page
    starts = one["runs"] / DAY_S
    depth = min((d for d in (10, 100, 1000) if d >= one["most waiting"]), default=1000)
    cores = {
        "page (one process)": visitors * cost["a visitor"],
        "queue: writes (one writer)": 6 * starts * cost["queue write"],  # token, in, out, end and two moves
        "queue: workers that look": one["most waiting"] / POLL_S * cost[f"queue read, {depth} waiting"],
        "heartbeats on one file system": one["most training"] / BEAT_S * cost["heartbeat"],
        "Slurm: one squeue a run": min(live, visitors * 5) / ASK_S * cost["program of an engine"],
    }
    seconds = {
        "Home with everybody's projects": experts * day.projects_an_expert * cost["a project on Home"],
        "all runs listed, nothing remembered": kept * cost["a run in a list, from its folder"],
    }
    memory = {"workers that wait here GB": one["most waiting"] * cost["memory of a waiting worker MB"] / 1024}
    return {
        "experts": experts,
        "tasks": experts * day.tasks_an_expert,
        "runs kept": round(kept),
        **one,
        "cores": {name: float(f"{value:.3g}") for name, value in cores.items()},
        "seconds": {name: float(f"{value:.3g}") for name, value in seconds.items()},
        "memory": {name: float(f"{value:.3g}") for name, value in memory.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    day, cost = Day(), measure()
    found = {
        "assumptions": asdict(day),
        "cost": cost,
        "days": [loads(day, experts, cost) for experts in EXPERTS],
        "fewer cards": [{"cards": n, **loads(replace(day, cards=n), 1000, cost)} for n in (20, 50, 100)],
        "visitors that fill a core": round(1 / cost["a visitor"], 1),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if chosen.write:
        (DOCS / "scale_on_paper.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

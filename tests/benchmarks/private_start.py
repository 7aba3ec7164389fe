"""What it costs that common skills learn first: the sample with `private_start` 0, 0.2 and 0.4, several seeds.

    nice -n 15 python tests/benchmarks/private_start.py [--starts 0 0.2 0.4] [--seeds 0 1 2] [--minutes 90]
        [--output assets/docs/private_start.json]
    python tests/benchmarks/private_start.py --table [--output ...]

Trains the sample as a new user would (starter model, default settings, all exam rows; the untouched model sits no
exam), once a value and seed, and keeps each run's exam scores, check losses of the trained and the untouched model,
and the share of each task's gain that is lost without the common skills. A run that is in the output already is not
made again; after --minutes no new one is begun. --table prints means over the seeds that have all values, and the
paired difference of each value from 0.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import write_json_atomic  # noqa: E402
from tests.benchmarks.sample_project import call  # noqa: E402

STARTS, SEEDS = (0.0, 0.2, 0.4), (0, 1, 2)
FIGURES = ("score", "own", "lost_without_common")


def measure(start: float, seed: int) -> dict[str, Any]:
    """{task: {score, metric, rows, own, base, lost_without_common}}, losses in nats per answer token."""
    sets = {"adapter.private_start": start, "seed": seed, "exam_rows": "none", "exam_base": "false"}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        call(workspace, "sample", "--name", "Sample")
        words = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
        run = call(workspace, "train", "Sample", *words)
        record = json.loads(next(workspace.rglob("evidence.json")).read_text(encoding="utf-8"))
        lost = call(workspace, "skills", run["run_id"])["evidence"]["lost_without_common"]
    found = {
        r["task"]: {"score": r["tuned"]["value"], "metric": r["metric"], "rows": r["n"]} for r in run["results"]
    }
    for task, own, base in zip(record["tasks"], record["own"], record["base"], strict=True):
        found[task] |= {"own": own, "base": base, "lost_without_common": lost[task]}
    return found


def table(known: dict[str, Any], starts: list[float]) -> str:
    """Markdown: per task and over all tasks, the mean over the seeds of each figure, and differences from 0."""
    seeds = [s for s in {k.split(" | ")[1] for k in known} if all(_key(v, s) in known for v in starts)]
    if not seeds:
        return "no seed has all values yet"
    lines = [f"seeds: {', '.join(sorted(seeds))}", "", "| task | figure | " + " | ".join(map(str, starts)) + " |"]
    lines.append("| --- | --- |" + " ---: |" * len(starts))
    tasks = list(known[_key(starts[0], seeds[0])])
    for task in [*tasks, "mean"]:
        for figure in FIGURES:
            values = [[_value(known[_key(v, s)], task, figure) for s in seeds] for v in starts]
            cells = [_cell(one, values[0] if i else None) for i, one in enumerate(values)]
            lines.append(f"| {task} | {figure} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _key(start: float, seed: int | str) -> str:
    return f"private_start {start} | {seed if isinstance(seed, str) else f'seed {seed}'}"


def _value(run: dict[str, Any], task: str, figure: str) -> float | None:
    values = [one[figure] for name, one in run.items() if task in (name, "mean") and one[figure] is not None]
    return statistics.fmean(values) if values else None


def _cell(values: list[float | None], first: list[float | None] | None) -> str:
    """The mean; behind it the mean difference from the first value of the same seeds, with its standard error."""
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    mean = f"{statistics.fmean(there):.3f}"
    pairs = [b - a for a, b in zip(first or [], values, strict=False) if a is not None and b is not None]
    if len(pairs) < 2:
        return mean
    error = statistics.stdev(pairs) / len(pairs) ** 0.5
    return f"{mean} ({statistics.fmean(pairs):+.3f} ± {error:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=float, nargs="+", default=list(STARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--output", type=Path, default=ROOT / "assets/docs/private_start.json")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    known = json.loads(chosen.output.read_text(encoding="utf-8")) if chosen.output.is_file() else {}
    until = time.monotonic() + 60 * chosen.minutes
    wanted = [(seed, start) for seed in chosen.seeds for start in chosen.starts]
    for seed, start in [] if chosen.table else wanted:
        if _key(start, seed) in known or time.monotonic() > until:
            continue
        known[_key(start, seed)] = measure(start, seed)
        write_json_atomic(chosen.output, known)
        print(_key(start, seed), flush=True)
    print(table(known, chosen.starts))


if __name__ == "__main__":
    main()

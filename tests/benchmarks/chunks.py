"""Rows that hold one example of each task (`chunks`) against single examples: exam scores on the sample.

    python tests/benchmarks/chunks.py WORKSPACE [--chunks off apart joined] [--seeds 0] [--steps 60] [--rows 60]
        [--minutes 60] [--output assets/docs/chunks.json]

Trains the sample on the starter with C-Poly's defaults and `mixture=balanced`, so that every chunk holds all tasks.
A cell in the output already is not made again; after --minutes no new one is begun. WORKSPACE keeps the runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import write_json_atomic  # noqa: E402
from core.training.plan import APART, JOINED, OFF  # noqa: E402
from tests.benchmarks.baselines import outcome, table  # noqa: E402
from tests.benchmarks.sample_project import call  # noqa: E402

STAGE_2_STEPS = 8


def measure(workspace: Path, chunks: str, seed: int, chosen: argparse.Namespace) -> dict[str, Any]:
    """{run_id, seconds, scores by task, mean}."""
    started = time.monotonic()
    sets = {"chunks": chunks, "seed": seed, "mixture": "balanced", "max_steps": chosen.steps}
    sets |= {"stage2_steps": STAGE_2_STEPS, "exam_rows": chosen.rows, "exam_base": "false", "exam_general": "false"}
    words = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    return outcome(call(workspace, "train", "Sample", *words), started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--chunks", nargs="+", choices=(OFF, APART, JOINED), default=[OFF, APART, JOINED])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--output", type=Path, default=ROOT / "assets/docs/chunks.json")
    chosen = parser.parse_args()
    known = json.loads(chosen.output.read_text(encoding="utf-8")) if chosen.output.is_file() else {}
    until = time.monotonic() + 60 * chosen.minutes
    if not chosen.workspace.exists():
        call(chosen.workspace, "sample", "--name", "Sample")
    for seed in chosen.seeds:
        for chunks in chosen.chunks:
            key = f"{chunks} | seed {seed} | {chosen.steps} + {STAGE_2_STEPS} steps | {chosen.rows} rows"
            if key in known or time.monotonic() > until:
                continue
            known[key] = measure(chosen.workspace, chunks, seed, chosen)
            write_json_atomic(chosen.output, known)
            print(key, flush=True)
    print(table(known))


if __name__ == "__main__":
    main()

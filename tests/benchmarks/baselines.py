"""AdaLoRA and Arrow on the sample beside C-Poly and a LoRA of equal total parameters.

    nice -n 15 python tests/benchmarks/baselines.py WORKSPACE [--arms cpoly lora adalora private_lora arrow]
        [--seeds 0] [--steps 160] [--rows 100] [--private-start 0] [--minutes 60]
        [--output assets/docs/baselines.json]
    python tests/benchmarks/baselines.py WORKSPACE --table

Trains the sample on the starter, each arm with its default learning rate and as many columns in all as C-Poly's
defaults keep (AdaLoRA: at the end), and keeps exam scores and seconds. C-Poly's cell
names its `private_start`. `arrow` trains nothing: it routes among the tasks of the `private_lora` run of the same
seed, which has to be in the output. A cell in the output already is not made again; after --minutes no new one is
begun. WORKSPACE keeps the runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import read_json, write_json_atomic  # noqa: E402
from tests.benchmarks.sample_project import call  # noqa: E402

ARMS = ("cpoly", "lora", "adalora", "private_lora", "arrow", "taps", "task_moe")
MADE_FROM = {"arrow": "private_lora"}


def measure(
    workspace: Path, arm: str, seed: int, chosen: argparse.Namespace, known: dict[str, Any]
) -> dict[str, Any]:
    """{run_id, seconds, scores by task, mean}."""
    started = time.monotonic()
    if arm in MADE_FROM:
        source = known[key_of(MADE_FROM[arm], seed, chosen)]["run_id"]
        done = call(workspace, "merge", source, "--way", arm, "--rows", str(chosen.rows))
    else:
        sets = {"seed": seed, "exam_rows": chosen.rows, "exam_base": "false", "max_steps": chosen.steps}
        sets |= {"exam_general": "false"}
        sets |= {f"adapter.{name}": value for name, value in own_settings(arm, chosen).items()}
        words = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
        done = call(workspace, "train", "Sample", "--method", arm, "--equal", "total", *words)
    return {
        **outcome(done, started),
        **own_settings(arm, chosen),
        **(choices(workspace, done["run_id"]) if arm in MADE_FROM else {}),
    }


def outcome(done: dict[str, Any], started: float) -> dict[str, Any]:
    """{run_id, seconds, scores by task, mean} of what `train` or `merge` printed."""
    scores = {row["task"]: row["tuned"]["value"] for row in done["results"]}
    seconds = round(time.monotonic() - started, 1)
    return {
        "run_id": done["run_id"],
        "seconds": seconds,
        "scores": scores,
        "mean": statistics.fmean(scores.values()),
    }


def choices(workspace: Path, run_id: str) -> dict[str, Any]:
    """What the experts' shares say of the task, 0..1, and the shares, the mean over layers (an expert is the same
    LoRA in all of them), by task."""
    found = call(workspace, "skills", run_id)["numbers"]["shared_information"]
    allocation = read_json(next(workspace.glob(f"projects/*/runs/{run_id}/allocation.json")))
    shares = np.mean(allocation["weights"], axis=0).round(3).tolist()
    return {"shared_information": found, "shares": dict(zip(allocation["tasks"], shares, strict=True))}


def own_settings(arm: str, chosen: argparse.Namespace) -> dict[str, float]:
    """What of an arm's settings its key and its cell name: the default of this one has changed."""
    return {"private_start": chosen.private_start} if arm == "cpoly" else {}


def key_of(arm: str, seed: int, chosen: argparse.Namespace) -> str:
    own = [f"{name} {value:g}" for name, value in own_settings(arm, chosen).items()]
    return " | ".join([arm, *own, f"seed {seed}", f"{chosen.steps} steps", f"{chosen.rows} rows"])


def table(known: dict[str, Any]) -> str:
    """Markdown: a row a cell, scores in percent."""
    if not known:
        return "nothing measured yet"
    tasks = list(next(iter(known.values()))["scores"])
    lines = [f"| cell | {' | '.join(tasks)} | mean |", "| --- |" + " ---: |" * (len(tasks) + 1)]
    for key, cell in known.items():
        values = [*(cell["scores"][task] for task in tasks), cell["mean"]]
        lines.append(f"| {key.replace(' | ', ', ')} | {' | '.join(f'{100 * v:.1f}' for v in values)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS[:5]))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--private-start", type=float, default=0.0, help="of C-Poly")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--output", type=Path, default=ROOT / "assets/docs/baselines.json")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    known = json.loads(chosen.output.read_text(encoding="utf-8")) if chosen.output.is_file() else {}
    until = time.monotonic() + 60 * chosen.minutes
    if not chosen.table and not chosen.workspace.exists():
        call(chosen.workspace, "sample", "--name", "Sample")
    for seed in [] if chosen.table else chosen.seeds:
        for arm in chosen.arms:
            key = key_of(arm, seed, chosen)
            if key in known or time.monotonic() > until:
                continue
            known[key] = measure(chosen.workspace, arm, seed, chosen, known)
            write_json_atomic(chosen.output, known)
            print(key, flush=True)
    print(table(known))


if __name__ == "__main__":
    main()

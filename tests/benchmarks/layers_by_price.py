"""TAPS: how many layers a task keeps as the price of a layer grows, with the score and the check loss.

    python tests/benchmarks/layers_by_price.py [--prices 0 0.5 5 50 500] [--seeds 0 1 2] [--steps 200] [--minutes 9]
        [--output assets/docs/layers_by_price.json]
    python tests/benchmarks/layers_by_price.py --table

Two tasks of the sample with short rows (TASKS) are trained together on the starter, ROWS at a step with
`mixture=balanced`, so that nearly every step holds both: a score that falls from 0.15 under 0.1 at the allocation's
rate needs some 160 of those. A cell in the output already is not made again; after --minutes no new one is begun.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.base.files import new_id, read_json, write_json_atomic  # noqa: E402
from core.runs.creation import fill_run  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.training.config import RunConfig, apply_assignments  # noqa: E402
from core.training.plan import load_run_dataset  # noqa: E402
from core.training.session import train_run  # noqa: E402
from core.workspace import Project  # noqa: E402
from tests.benchmarks.advice import CheckJournal, make_project  # noqa: E402

TASKS, ROWS, RANK, EXAM = ("review_verdict", "bank_requests"), 8, 4, 60
SETTINGS = (
    "method=taps", f"adapter.rank={RANK}", f"batch_size={ROWS}", "mixture=balanced", "num_threads=1",
    "exam_base=false", "exam_general=false", "validation_rows=40", f"exam_rows={EXAM}",
)  # fmt: skip


def measure(project: Project, home: Path, price: float, seed: int, steps: int) -> dict[str, Any]:
    """{layers by task, of, scores by task, mean, check_loss, processor_s}."""
    began = time.process_time()
    sets = [
        *SETTINGS,
        f"seed={seed}",
        f"max_steps={steps}",
        f"evaluate_every={steps}",
        f"adapter.layer_penalty={price}",
    ]
    config = apply_assignments(RunConfig(), sets)
    dataset = load_run_dataset(project, config, list(TASKS))
    folder = RunFolder(home / "runs" / new_id("r"))
    folder.path.mkdir(parents=True)
    fill_run(folder, "measured", config, dataset, {})
    journal = CheckJournal(folder)
    train_run(folder, config, journal)
    scores = {task["name"]: task["tuned"]["value"] for task in read_json(folder.results_path)["tasks"]}
    on = np.array(read_json(folder.path / "allocation.json")["weights"])  # [layers, tasks, tasks]
    layers = {name: int((on[:, place, place] > 0).sum()) for place, name in enumerate(dataset.names())}
    return {
        "layers": layers,
        "of": len(on),
        "scores": scores,
        "mean": statistics.fmean(scores.values()),
        "check_loss": min(journal.losses),
        "processor_s": round(time.process_time() - began, 1),
    }


def key_of(price: float, seed: int, steps: int) -> str:
    return f"price {price:g} | seed {seed} | {steps} steps"


def table(known: dict[str, Any]) -> str:
    """Markdown: a row a price, means over its seeds."""
    lines = [
        "| price of a layer | seeds | layers a task keeps | score | check loss |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    kinds = dict.fromkeys((key.split(" | ")[0], key.split(" | ")[2]) for key in known)
    for price, steps in kinds:
        cells = [cell for key, cell in known.items() if key.startswith(f"{price} | ") and key.endswith(steps)]
        kept = [count for cell in cells for count in cell["layers"].values()]
        score, loss = (statistics.fmean(cell[part] for cell in cells) for part in ("mean", "check_loss"))
        span = f"{statistics.fmean(kept):.1f} ({min(kept)} to {max(kept)}) of {cells[0]['of']}"
        lines.append(f"| {price.split()[1]}, {steps} | {len(cells)} | {span} | {100 * score:.1f} | {loss:.3f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prices", type=float, nargs="+", default=[0.0, 0.5, 5.0, 50.0, 500.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--output", type=Path, default=ROOT / "assets/docs/layers_by_price.json")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    known = read_json(chosen.output) if chosen.output.is_file() else {}
    until = time.monotonic() + 60 * chosen.minutes
    wanted = [] if chosen.table else [(seed, price) for seed in chosen.seeds for price in chosen.prices]
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "sample", "sample") if wanted else None
        for seed, price in wanted:
            key = key_of(price, seed, chosen.steps)
            if project is None or key in known or time.monotonic() > until:
                continue
            known[key] = measure(project, Path(folder), price, seed, chosen.steps)
            write_json_atomic(chosen.output, known)
            print(key, known[key], flush=True)
    print(table(known))


if __name__ == "__main__":
    main()

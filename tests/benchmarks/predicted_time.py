"""How well the time of a run is predicted: before it starts, and after its first steps.

    python tests/benchmarks/predicted_time.py run --workspace DIR [--repeats N] [--plan NAME ...] [--minutes M]
    python tests/benchmarks/predicted_time.py report

Starts one worker after the other on short plans of the sample (PLANS: twenty of them, of other lengths, methods,
batch sizes and time limits, with the starter, SmolLM2 where `model get smollm2-135m` has brought it, and a tiny
random model), at whatever load the machine has. Four predictions of the whole run, from the start of the
worker to the end of its exam, are compared with the clock: by formula alone for a quiet machine, before the start
(formula, earlier runs, load), and by the running worker at its first estimate and at a third of its steps. One is
right within a factor 1.5, a range when the run's time lies in it. `run` goes on where it was, begins nothing more
after so many minutes, and writes assets/docs/predicted_time.json with the load of each run; `report` tells runs of
a quiet machine from those of a loaded one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import write_json_atomic  # noqa: E402
from core.models.catalogue import find_model  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.launching import begin_run  # noqa: E402
from core.runs.liveness import run_state  # noqa: E402
from core.runs.prediction import estimate_run  # noqa: E402
from core.tasks.changing.domain import add_domain  # noqa: E402
from core.training.config import RunConfig, apply_assignments  # noqa: E402
from core.training.plan import load_run_dataset  # noqa: E402
from core.workspace import Project, Workspace  # noqa: E402
from tests.tiny_models import build_tiny_llama  # noqa: E402

OUT = ROOT / "assets" / "docs" / "predicted_time.json"
SAMPLE = ROOT / "assets" / "sample"
FACTOR = 1.5
QUIET = 2.0  # load before and after a run, which is one of it: below, a machine of two cores has time for it
SHORT = ("exam_rows=6", "validation_rows=8", "num_threads=1")
SMOLLM2 = "smollm2-135m"
PLANS: dict[str, tuple[str, ...]] = {
    "starter, 20 steps": ("max_steps=20", "batch_size=8", "max_tokens=128"),
    "starter, 20 steps of 16": ("max_steps=20", "max_tokens=128"),
    "starter, LoRA": ("max_steps=30", "method=lora", "batch_size=8", "max_tokens=128"),
    "starter, longer texts": ("max_steps=20", "batch_size=8", "max_tokens=384"),
    "SmolLM2, 6 steps of 4": (
        SMOLLM2,
        "max_steps=6",
        "batch_size=4",
        "max_tokens=96",
        "exam_rows=2",
        "validation_rows=3",
    ),
    "starter, 60 steps": ("max_steps=60", "batch_size=8", "max_tokens=128"),
    "starter, Poly": ("max_steps=25", "method=poly", "batch_size=16", "max_tokens=128"),
    "tiny, 150 steps": ("tiny", "max_steps=150", "batch_size=8", "max_tokens=128"),
    "starter, larger exam": ("max_steps=10", "batch_size=8", "max_tokens=128", "exam_rows=30"),
    "starter, time limit": ("max_steps=400", "batch_size=8", "max_tokens=128", "max_hours=0.008"),
    "tiny, 400 steps of 4": ("tiny", "max_steps=400", "batch_size=4", "max_tokens=128"),
    "starter, private LoRA": ("max_steps=25", "method=private_lora", "batch_size=8", "max_tokens=128"),
    "SmolLM2, LoRA": (
        SMOLLM2,
        "method=lora",
        "max_steps=10",
        "batch_size=4",
        "max_tokens=96",
        "exam_rows=2",
        "validation_rows=3",
    ),
    "starter, one allocation": ("max_steps=25", "batch_size=4", "max_tokens=128", "adapter.granularity=model"),
    "starter, no exam": ("max_steps=30", "batch_size=8", "max_tokens=128", "exam_rows=0"),
    "tiny, LoRA": ("tiny", "method=lora", "max_steps=200", "batch_size=8", "max_tokens=128"),
    "starter, recomputed": ("max_steps=20", "batch_size=8", "max_tokens=128", "gradient_checkpointing=true"),
    "starter, kept by score": (
        "max_steps=15",
        "batch_size=8",
        "max_tokens=128",
        "keep_best_by=score",
        "evaluate_every=8",
    ),
    "SmolLM2, no exam": (
        SMOLLM2,
        "max_steps=12",
        "batch_size=4",
        "max_tokens=96",
        "exam_rows=0",
        "validation_rows=3",
    ),
    "starter, accumulated": ("max_steps=10", "batch_size=8", "accumulation=2", "max_tokens=128"),
}


def plan_config(name: str, tiny: Path) -> RunConfig:
    bases = {"tiny": f"base_model={tiny}", SMOLLM2: f"base_model={SMOLLM2}"}
    changes = [bases.get(text, text) for text in PLANS[name]]
    return apply_assignments(apply_assignments(RunConfig(), list(SHORT)), changes)


def measure(project: Project, name: str, config: RunConfig) -> dict[str, Any]:
    """One run in its worker, watched."""
    load = psutil.getloadavg()[0]
    formula = estimate_run(config, load_run_dataset(project, config))
    assert formula is not None
    folder = begin_run(project, config)
    before = json.loads(folder.prediction_path.read_text(encoding="utf-8"))
    seen = _watch(folder)
    status = run_state(folder)
    assert status.state == "succeeded", folder.read_log()
    assert status.started is not None
    assert status.ended is not None
    took = status.ended - status.started
    record = json.loads(folder.record_path.read_text(encoding="utf-8"))
    guesses = {"formula": [formula.seconds[0], formula.seconds[1], formula.seconds[2]], "before": before["seconds"]}
    for moment, (at, left, span) in seen.items():
        gone = at - status.started
        guesses[moment] = [gone + span[0], gone + left, gone + span[1]]
    return {
        "plan": name,
        "load": [round(load, 1), round(psutil.getloadavg()[0], 1)],
        "took": round(took, 1),
        "source": before["source"],
        "predicted": {moment: [round(value, 1) for value in each] for moment, each in guesses.items()},
        "parts": {
            "expected": {k: round(v, 1) for k, v in before["parts"].items()},
            "took": record.get("actual", {}).get("parts"),  # none where its time limit ended it
        },
        "formula": {part: round(value, 2) for part, value in before["formula"].items()},
    }


def _watch(folder: RunFolder) -> dict[str, tuple[float, float, tuple[float, float]]]:
    """(moment, seconds left, their range) that the worker says first, and at a third of the steps."""
    seen: dict[str, tuple[float, float, tuple[float, float]]] = {}
    while (status := run_state(folder)).is_live:
        if status.eta_s is not None and status.eta_range_s and status.stage in ("stage1", "stage2"):
            said = (status.updated or time.time(), status.eta_s, tuple(status.eta_range_s))
            seen.setdefault("first steps", said)
            if status.step >= status.total_steps / 3:
                seen.setdefault("third", said)
        time.sleep(0.2)
    return seen


def read() -> dict[str, Any]:
    return (
        json.loads(OUT.read_text(encoding="utf-8"))
        if OUT.is_file()
        else {"script": Path(__file__).name, "runs": []}
    )


def run(workspace: Path, repeats: int, names: list[str], end: float) -> None:
    home = Workspace(workspace)
    project = next(iter(home.list_projects()), None)
    if project is None:
        project = home.create_project("Sample")
        add_domain(project, SAMPLE)
    with tempfile.TemporaryDirectory() as folder:
        tiny = build_tiny_llama(Path(folder) / "tiny")
        if find_model(SMOLLM2).local_path is None:
            names = [name for name in names if SMOLLM2 not in PLANS[name]]
            print("without SmolLM2, which is not in the model store", flush=True)
        for repeat in range(repeats):
            for name in names:
                known = read()
                if any((r["plan"], r["repeat"]) == (name, repeat) for r in known["runs"]):
                    continue
                if time.monotonic() > end:
                    print("time is up; the same command goes on", flush=True)
                    return
                found = {**measure(project, name, plan_config(name, tiny)), "repeat": repeat}
                print(json.dumps(found), flush=True)
                known["runs"].append(found)
                write_json_atomic(OUT, {**known, "cores": os.cpu_count(), "factor": FACTOR})


def report() -> dict[str, dict[str, Any]]:
    """By load and moment: how many runs, how many within the factor, and whose time lies in the range."""
    table: dict[str, dict[str, Any]] = {}
    for found in read()["runs"]:
        for moment, (low, likely, high) in found["predicted"].items():
            kind = "quiet" if max(found["load"]) < QUIET else "loaded"
            row = table.setdefault(f"{kind}, {moment}", {"runs": 0, "within": 0, "in_range": 0})
            row["runs"] += 1
            row["within"] += 1 / FACTOR <= found["took"] / likely <= FACTOR
            row["in_range"] += low <= found["took"] <= high
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--plan", action="append", choices=list(PLANS))
    chosen = parser.parse_args()
    if chosen.what == "run":
        end = time.monotonic() + 60 * chosen.minutes
        run(chosen.workspace, chosen.repeats, chosen.plan or list(PLANS), end)
    for moment, row in report().items():
        print(f"{moment:20}", row)


if __name__ == "__main__":
    main()

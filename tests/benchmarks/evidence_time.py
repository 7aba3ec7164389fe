"""How much of the exam's time a run's evidence takes: eight tasks, three common skills and one of their own each.

    python tests/benchmarks/evidence_time.py DATA [--steps 40] [--set KEY=VALUE ...] [--output FILE]

Trains the first eight tasks of DATA (a folder with a domain.json, such as customer_service) shortly with the
default method and lets the run sit its exam, with the untouched model and without. Printed and kept are the
processor seconds and those of the clock of both parts (evidence: with the map of pulls; goal: a quarter of the
exam's time). The exam's time grows with its rows (default 200 a task), that of the evidence does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import new_id, write_json_atomic  # noqa: E402
from core.runs.creation import fill_run  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.journal import SilentJournal  # noqa: E402
from core.tasks.changing.domain import add_domain  # noqa: E402
from core.tasks.store import list_tasks  # noqa: E402
from core.training import session  # noqa: E402
from core.training.config import RunConfig, apply_assignments  # noqa: E402
from core.training.plan import load_run_dataset  # noqa: E402
from core.workspace import Workspace  # noqa: E402

TASKS, GOAL = 8, 0.25
PARTS = {"exam": "_examine", "evidence": "weigh_skills"}


def timed(parts: dict[str, dict[str, float]], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        began, worked = time.monotonic(), time.process_time()
        try:
            return call(*args)
        finally:
            spent = {"clock_s": time.monotonic() - began, "processor_s": time.process_time() - worked}
            parts[name] = {kind: round(value, 1) for kind, value in spent.items()}

    return run


def measure(data: Path, assignments: list[str]) -> dict[str, Any]:
    parts: dict[str, dict[str, float]] = {}
    kept = {name: getattr(session, function) for name, function in PARTS.items()}
    with tempfile.TemporaryDirectory() as workspace:
        project = Workspace(Path(workspace)).create_project("time")
        add_domain(project, data)
        config = apply_assignments(RunConfig(), ["stage2_fraction=0.1", *assignments])
        names = [spec.name for spec in list_tasks(project)][:TASKS]
        dataset = load_run_dataset(project, config, names)
        folder = RunFolder(project.runs_dir / new_id("r"))
        folder.path.mkdir(parents=True)
        fill_run(folder, "time", config, dataset, {})
        try:
            for name, function in PARTS.items():
                setattr(session, function, timed(parts, name, kept[name]))
            session.train_run(folder, config, SilentJournal(folder))
        finally:
            for name, function in PARTS.items():
                setattr(session, function, kept[name])
    share = parts["evidence"]["processor_s"] / parts["exam"]["processor_s"]
    return {**parts, "share": round(share, 3), "tasks": len(names), "settings": assignments}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--output", type=Path, default=ROOT / "assets" / "docs" / "evidence_time.json")
    args = parser.parse_args()
    found = {}
    for name, more in (("with the untouched model", []), ("without it", ["exam_base=false"])):
        found[name] = measure(args.data, [f"max_steps={args.steps}", *args.set, *more])
        write_json_atomic(args.output, found)
        print(name, json.dumps(found[name]), "goal:", GOAL, flush=True)


if __name__ == "__main__":
    main()

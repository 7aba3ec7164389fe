"""What the goal cards give on small shares of the four development domains: one job, which goes on where it was.

    python tests/benchmarks/goal_domains.py run --workspace DIR [--arm ARM ...] [--domain D ...]
    python tests/benchmarks/goal_domains.py report

`run` trains every arm on every domain in this process: the tasks of TASKS, TRAIN_ROWS practice rows, CHECK_ROWS
check rows and EXAM_ROWS exam rows a task, one thread, seed 0. What is measured already is not made again. An arm is
a goal of `core/training/goals.py`, or one of CANDIDATES for the goal "best". `report` prints the means over the
domains that every arm has. The cards take their figures from assets/docs/goals.json, which `run` writes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import new_id, write_json_atomic  # noqa: E402
from core.runs.creation import fill_run  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.journal import SilentJournal  # noqa: E402
from core.tasks.changing.domain import add_domain  # noqa: E402
from core.tasks.dataset import TaskDataset  # noqa: E402
from core.training.config import RunConfig, apply_assignments  # noqa: E402
from core.training.goals import GOALS, config_for_goal  # noqa: E402
from core.training.plan import load_run_dataset, plan_run  # noqa: E402
from core.training.session import train_run  # noqa: E402
from core.workspace import Project, Workspace  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "tasks"
OUT = ROOT / "assets" / "docs" / "goals.json"
TASKS = {  # those with short texts: the machine has two cores and others at work
    "customer_service": ("query_wellformedness", "restaurant8k", "pros_cons"),
    "finance": ("nlupp_banking_slots", "clinc_finance"),
    "medical": ("rqe", "medquad_qtype"),
    "chinese": ("crosswoz_domain", "drcd_question_generation"),
}
TRAIN_ROWS, CHECK_ROWS, EXAM_ROWS = 80, 24, 40
SHARE = (
    f"validation_rows={CHECK_ROWS}",
    f"exam_rows={EXAM_ROWS}",
    "max_tokens=128",
    "num_threads=1",
    "exam_base=false",
)
CANDIDATES = {
    "former best": ("epochs=10", "stage2_fraction=0.2", "patience=4", "schedule=cosine"),
    "longer": ("epochs=6", "stage2_fraction=0.15"),
    "longer, by score": ("epochs=6", "stage2_fraction=0.15", "keep_best_by=score"),
    "longer, wider": ("epochs=6", "stage2_fraction=0.15", "adapter.rank=6"),
    "longer, wider, by score": ("epochs=6", "stage2_fraction=0.15", "adapter.rank=6", "keep_best_by=score"),
}


def arm_config(arm: str) -> RunConfig:
    config = config_for_goal(arm) if arm in GOALS else apply_assignments(RunConfig(), list(CANDIDATES[arm]))
    return apply_assignments(config, list(SHARE))


def find_project(workspace: Path, domain: str) -> Project:
    home = Workspace(workspace)
    known = next((p for p in home.list_projects() if p.name == domain), None)
    if known is None:
        known = home.create_project(domain)
        with tempfile.TemporaryDirectory() as folder:
            add_domain(known, wanted_part(domain, Path(folder)))
    return known


def wanted_part(domain: str, folder: Path) -> Path:
    """A domain's folder with the tasks of TASKS only: reading all of them takes longer than a training here."""
    described = json.loads((DATA / domain / "domain.json").read_text(encoding="utf-8"))
    described["tasks"] = [task for task in described["tasks"] if task["name"] in TASKS[domain]]
    for path in (DATA / domain).iterdir():
        if path.name.split(".")[0] in TASKS[domain]:
            shutil.copy(path, folder / path.name)
    (folder / "domain.json").write_text(json.dumps(described), encoding="utf-8")
    return folder


def first_rows(dataset: TaskDataset) -> TaskDataset:
    """The first practice and check rows of every task; exam rows are drawn by the exam itself."""
    most = {"train": TRAIN_ROWS, "validation": CHECK_ROWS}
    return dataclasses.replace(
        dataset, examples={key: rows[: most.get(key[1], len(rows))] for key, rows in dataset.examples.items()}
    )


def measure(workspace: Path, domain: str, arm: str) -> dict[str, Any]:
    """One training with its exam: scores by task, seconds of the clock and of the processor."""
    project, config = find_project(workspace, domain), arm_config(arm)
    dataset = first_rows(load_run_dataset(project, config, list(TASKS[domain])))
    folder = RunFolder(project.runs_dir / new_id("r"))
    folder.path.mkdir(parents=True)
    fill_run(folder, f"{domain}, {arm}", config, dataset, {})
    began, used = time.monotonic(), time.process_time()
    train_run(folder, config, SilentJournal(folder))
    results = json.loads(folder.results_path.read_text(encoding="utf-8"))
    return {
        "domain": domain,
        "arm": arm,
        "steps": plan_run(config, dataset).total_steps,
        "seconds": round(time.monotonic() - began, 1),
        "processor_s": round(time.process_time() - used, 1),
        "scores": {task["name"]: round(task["tuned"]["value"], 4) for task in results["tasks"]},
        "guesses": {
            task["name"]: task["guesses"].get(task["best_guess"], {}).get("value") for task in results["tasks"]
        },
        "exam_rows": {task["name"]: task["n"] for task in results["tasks"]},
    }


def read() -> dict[str, Any]:
    return (
        json.loads(OUT.read_text(encoding="utf-8"))
        if OUT.is_file()
        else {"script": Path(__file__).name, "runs": []}
    )


def run(workspace: Path, arms: list[str], domains: list[str]) -> None:
    for domain in domains:
        for arm in arms:
            known = read()
            if any((r["domain"], r["arm"]) == (domain, arm) for r in known["runs"]):
                continue
            found = measure(workspace, domain, arm)
            print(found, flush=True)
            known["runs"].append(found)
            sizes = {"train": TRAIN_ROWS, "check": CHECK_ROWS, "exam": EXAM_ROWS}
            write_json_atomic(OUT, {**known, "rows_a_task": sizes, "share": SHARE, "candidates": CANDIDATES})


def means() -> dict[str, dict[str, Any]]:
    """By arm, over the domains that every arm shown has: mean score of the tasks, processor seconds, tasks."""
    runs = read()["runs"]
    by_arm: dict[str, dict[str, Any]] = {}
    for found in runs:
        by_arm.setdefault(found["arm"], {})[found["domain"]] = found
    whole = set.intersection(*(set(each) for each in by_arm.values())) if by_arm else set()
    table = {}
    for arm, each in by_arm.items():
        scores = [value for domain in sorted(whole) for value in each[domain]["scores"].values()]
        table[arm] = {
            "domains": sorted(whole),
            "tasks": len(scores),
            "score": round(statistics.fmean(scores), 4) if scores else None,
            "processor_s": round(sum(each[domain]["processor_s"] for domain in whole), 1),
        }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--arm", action="append", choices=[*GOALS.names(), *CANDIDATES])
    parser.add_argument("--domain", action="append", choices=list(TASKS))
    chosen = parser.parse_args()
    if chosen.what == "run":
        run(chosen.workspace, chosen.arm or ["balanced", *CANDIDATES], chosen.domain or list(TASKS))
    for arm, values in means().items():
        print(f"{arm:26}", values)


if __name__ == "__main__":
    main()

"""What a method is good for, by the same short training: the newer methods beside C-Poly and a rate-tuned LoRA.

    python tests/benchmarks/advice.py [--arms cpoly lora adalora taps task_moe]
        [--seeds 0 1 2] [--steps 60] [--rows 30] [--minutes 9] [--output assets/docs/advice.json]
    python tests/benchmarks/advice.py --table

Each arm trains on the starter in this process, one thread, with as many columns in all as C-Poly's defaults keep
(AdaLoRA: at the end), the same batches and the same exam rows. Arms have their default learning rates; the LoRA has
of RATES the one with the best check loss on that data (seed 0, no exam). finance: the tasks that study.py takes.
The arms of TOGETHER take apart what chunks do (C-Poly, `mixture=balanced`); `wordings` is C-Poly that practises in
three wordings a task and sits the exam in the first. A cell in the output already is not
made again; after --minutes no new one is begun. --table prints means and paired differences over the seeds that an
arm and its reference share.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.base.files import new_id, read_json, write_json_atomic  # noqa: E402
from core.evaluation.intervals import mean_interval  # noqa: E402
from core.runs.creation import fill_run  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.journal import SilentJournal  # noqa: E402
from core.tasks.changing.add_task import update_task  # noqa: E402
from core.tasks.changing.domain import add_domain  # noqa: E402
from core.tasks.store import list_tasks  # noqa: E402
from core.training.config import RunConfig, apply_assignments  # noqa: E402
from core.training.equal_size import TOTAL, match_size  # noqa: E402
from core.training.plan import load_run_dataset  # noqa: E402
from core.training.session import train_run  # noqa: E402
from core.workspace import Project, Workspace  # noqa: E402

FOLDERS = {"sample": ROOT / "assets/sample", "finance": ROOT.parent / "shared/data/tasks/finance"}
# As in study.py: long passages, and 77 labels that so short a training does not move
LEFT_OUT = ("tatqa_arithmetic", "tatqa_spans", "tatqa_question_generation", "banking77")
CPOLY, LORA = "cpoly", "lora"
RATES = (0.003, 0.01, 0.03)
METHODS = (CPOLY, LORA, "adalora", "taps", "task_moe")
WORDED = "wordings"  # C-Poly; exams ask in the first of three wordings
OTHER_WORDINGS = ("COLUMNS\n\n{instruction}", "Read this:\nCOLUMNS\nYour job: {instruction}")
TOGETHER = {
    "cpoly balanced": ("mixture=balanced",),
    "chunks apart": ("mixture=balanced", "chunks=apart"),
    "chunks joined": ("mixture=balanced", "chunks=joined"),
}
REFERENCES = dict.fromkeys(TOGETHER, ("cpoly balanced", ""))  # others: C-Poly and the LoRA
FEWEST = 3  # paired runs
COMMON = (
    *("num_threads=1", "exam_base=false", "exam_general=false", "validation_rows=40"),
    *("weigh_skills=false", "certainty_rows=0"),  # nothing that is told of an arm
)


class CheckJournal(SilentJournal):
    """Keeps the mean check losses, nats per answer token."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self.losses: list[float] = []

    def event(self, kind: str, **fields: Any) -> None:
        if kind == "validation":
            self.losses.append(float(fields["mean"]))


class Bench:
    """One data set as a project, and what is trained on it."""

    def __init__(self, data: str, chosen: argparse.Namespace, home: Path, known: dict[str, Any]) -> None:
        self.data, self.chosen, self.home, self.known = data, chosen, home, known
        self.project, self.worded = make_project(home, data), None
        self.names = [task.name for task in list_tasks(self.project) if task.name not in LEFT_OUT]

    def key(self, arm: str, seed: int) -> str:
        rows = "no exam" if arm.startswith("rate ") else f"{self.chosen.rows} rows"
        return f"{self.data} | {arm} | seed {seed} | {self.chosen.steps} steps | {rows}"

    def measure(self, arm: str, seed: int) -> dict[str, Any]:
        """{check_loss, scores by task, mean, processor_s}; the learning rate where it was chosen."""
        began = time.process_time()
        config = self.config(arm, seed)
        dataset = load_run_dataset(self.worded_project() if arm == WORDED else self.project, config, self.names)
        folder = RunFolder(self.home / "runs" / new_id("r"))
        folder.path.mkdir(parents=True)
        fill_run(folder, "measured", config, dataset, {})
        journal = CheckJournal(folder)
        train_run(folder, config, journal)
        tasks = (read_json(folder.results_path) or {"tasks": []})["tasks"] if config.exam_rows else []
        scores = {task["name"]: task["tuned"]["value"] for task in tasks}
        found = {"check_loss": min(journal.losses), "scores": scores}
        if scores:
            found["mean"] = statistics.fmean(scores.values())
        if arm == LORA:
            found["rate"] = config.learning_rate_skills
        gc.collect()
        return {**found, "processor_s": round(time.process_time() - began, 1)}

    def worded_project(self) -> Project:
        """The same tasks in three wordings each."""
        if self.worded is None:
            self.worded = make_project(self.home / WORDED, self.data)
            for task in list_tasks(self.worded):
                shown = "\n".join(f"{{{name}}}" for name in task.inputs)
                templates = tuple(one.replace("COLUMNS", shown) for one in OTHER_WORDINGS)
                update_task(self.worded, task.name, {"templates": templates})
        return self.worded

    def config(self, arm: str, seed: int) -> RunConfig:
        sets = [*COMMON, f"seed={seed}", f"max_steps={self.chosen.steps}", f"evaluate_every={self.chosen.steps}"]
        method, exam = (LORA, 0) if arm.startswith("rate ") else (arm, self.chosen.rows)
        sets += [f"exam_rows={exam}", *TOGETHER.get(arm, ())]
        if method == LORA:
            rate = float(arm.split()[1]) if arm.startswith("rate ") else self.best_rate()
            sets.append(f"learning_rate_skills={rate}")
        sets.append(f"method={CPOLY if arm in (*TOGETHER, WORDED) else method}")
        return match_size(apply_assignments(RunConfig(), sets), len(self.names), TOTAL)

    def best_rate(self) -> float:
        """Of RATES, by the check loss with seed 0; all of them are measured by then."""
        losses = {rate: self.known[self.key(f"rate {rate}", 0)]["check_loss"] for rate in RATES}
        return min(losses, key=lambda rate: losses[rate])

    def wanted(self, arms: list[str], seed: int) -> list[tuple[str, int]]:
        tuned = [(f"rate {rate}", 0) for rate in RATES] if LORA in arms else []
        return [*tuned, *((arm, seed) for arm in arms)]


def make_project(home: Path, data: str) -> Project:
    project = Workspace(home).create_project(data)
    add_domain(project, FOLDERS[data])
    return project


def paired(known: dict[str, Any], key: str, other: str, part: str) -> list[float]:
    """Differences over the seeds that both have; `key` and `other` hold {} in the place of the seed."""
    pairs = [(known.get(key.format(seed)), known.get(other.format(seed))) for seed in range(20)]
    return [one[part] - two[part] for one, two in pairs if one and two]


def told(differences: list[float], scale: float, digits: int) -> str:
    """The mean, behind it the standard error where there are several."""
    if not differences:
        return "-"
    mean = f"{scale * statistics.fmean(differences):+.{digits}f}"
    if len(differences) < 2:
        return f"{mean} (1 seed)"
    error = scale * statistics.stdev(differences) / len(differences) ** 0.5
    return f"{mean} ± {error:.{digits}f}"


def table(known: dict[str, Any]) -> str:
    """Markdown: a row for each data set, length and arm; scores in percent."""
    lines = ["| data | arm | seeds | score | minus C-Poly | minus LoRA | check loss | minus C-Poly | minus LoRA |"]
    lines.append("| --- | --- | ---: | ---: | --- | --- | ---: | --- | --- |")
    kinds = dict.fromkeys(tuple(part for i, part in enumerate(key.split(" | ")) if i != 2) for key in known)
    for data, arm, steps, rows in kinds:
        key = f"{data} | {arm} | seed {{}} | {steps} | {rows}"
        cells = [known[key.format(seed)] for seed in range(20) if key.format(seed) in known]
        others = [
            f"{data} | {other} | seed {{}} | {steps} | {rows}" for other in REFERENCES.get(arm, (CPOLY, LORA))
        ]
        score = f"{100 * statistics.fmean(c['mean'] for c in cells):.1f}" if "mean" in cells[0] else "-"
        parts = [data, f"{arm}, {steps}", str(len(cells)), score]
        parts += (
            [told(paired(known, key, other, "mean"), 100, 1) for other in others] if score != "-" else ["-"] * 2
        )
        parts.append(f"{statistics.fmean(cell['check_loss'] for cell in cells):.3f}")
        parts += [told(paired(known, key, other, "check_loss"), 1, 3) for other in others]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def summary(known: dict[str, Any], chosen: argparse.Namespace) -> dict[str, Any]:
    """By method what the app says of it (`core.training.method_figures`), over the data sets and seeds that it,
    C-Poly and the LoRA have; nothing below FEWEST of those."""
    found: dict[str, Any] = {}
    end = f" | {chosen.steps} steps | {chosen.rows} rows"
    for method in METHODS[2:]:
        places = [
            (data, seed)
            for data in FOLDERS
            for seed in range(20)
            if all(f"{data} | {arm} | seed {seed}{end}" in known for arm in (method, CPOLY, LORA))
        ]
        if len(places) < FEWEST:
            continue
        arms = {
            arm: [known[f"{data} | {arm} | seed {seed}{end}"]["mean"] for data, seed in places]
            for arm in (method, CPOLY, LORA)
        }
        tasks = min(len(known[f"{data} | {method} | seed {seed}{end}"]["scores"]) for data, seed in places)
        figures = {"score": statistics.fmean(arms[method])}
        for arm, name in ((CPOLY, "reference"), (LORA, "plain")):
            gaps = [own - other for own, other in zip(arms[method], arms[arm], strict=True)]
            low, high = mean_interval(gaps, chosen.rows * tasks)
            figures |= {name: statistics.fmean(arms[arm]), f"{name}_gap": statistics.fmean(gaps)}
            figures |= {f"{name}_low": low, f"{name}_high": high}
        sizes = {"runs": len(places), "projects": len({data for data, _ in places}), "steps": chosen.steps}
        sizes["rows"] = chosen.rows
        found[method] = {**{name: round(value, 4) for name, value in figures.items()}, **sizes}
    return found


def run(chosen: argparse.Namespace, known: dict[str, Any]) -> None:
    """Seed by seed over all data, so that what is there when time is up can be compared."""
    until = time.monotonic() + 60 * chosen.minutes
    with tempfile.TemporaryDirectory() as folder:
        benches = [Bench(data, chosen, Path(folder) / data, known) for data in chosen.data]
        for seed in chosen.seeds:
            for bench in benches:
                for arm, at in bench.wanted(chosen.arms, seed):
                    key = bench.key(arm, at)
                    if key in known or time.monotonic() > until:
                        continue
                    known[key] = bench.measure(arm, at)
                    write_json_atomic(chosen.output, {"methods": summary(known, chosen), "cells": known})
                    print(key, known[key], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(FOLDERS), default=list(FOLDERS)[:1])
    parser.add_argument("--arms", nargs="+", choices=[*METHODS, *TOGETHER, WORDED], default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--output", type=Path, default=ROOT / "assets/docs/advice.json")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    known = read_json(chosen.output)["cells"] if chosen.output.is_file() else {}
    if not chosen.table:
        run(chosen, known)
    print(table(known))


if __name__ == "__main__":
    main()

"""How many labels "Annotate next" saves: answering the rows that a run chooses, against rows drawn by chance.

    nice -n 15 python tests/benchmarks/annotating.py [--seeds 0 1 2] [--steps 120] [--minutes 60]
        [--ways random rrf] [--output assets/docs/annotating.json]
    python tests/benchmarks/annotating.py --table [--steps 40] [--ways ...] [--output ...]

On each of two development domains two tasks with LABELS labels each are trained together (C-Poly, starter model,
--steps steps, one thread) on the first FIRST rows a task, drawn by chance. Then ROUNDS times the run reads READ
rows a task that are unanswered still, the AT_ONCE most worth asking about by each way to choose get their right
answers, and everything is trained anew. `full` is trained on all POOL rows a task. Scores: share of right labels on
the same EXAM rows a task, mean over the two tasks. What is in the output is not made again; after --minutes no new
way is begun. --table prints the labels a task that each of --ways needs for GOAL of the full score (on the line
between two rounds; more than were given where it did not come so far), and the mean score over the rounds, over the
(domain, seed) that have all of --ways.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.asking.annotate_model import PoolAsker, Proposal  # noqa: E402
from core.base.files import new_id, read_json, write_json_atomic  # noqa: E402
from core.evaluation.ranking import WAYS, rank_rows  # noqa: E402
from core.runs.creation import fill_run  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.journal import SilentJournal  # noqa: E402
from core.tasks.dataset import Example, TaskDataset, render_prompt  # noqa: E402
from core.tasks.reading.files import read_table  # noqa: E402
from core.tasks.spec import TaskSpec  # noqa: E402
from core.tasks.templates import default_template  # noqa: E402
from core.training.config import RunConfig, apply_assignments  # noqa: E402
from core.training.session import train_run  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "tasks"
PLAN = {"finance": ("banking77", "clinc_finance"), "customer_service": ("clinc_assistant", "snips")}
LABELS, POOL, FIRST, AT_ONCE, ROUNDS, READ = 5, 100, 10, 10, 2, 32
CHECK, EXAM, STEPS, GOAL = 4, 40, 120, 0.9  # with 40 steps `full` was not learned out (annotating.json)
INSTRUCTION = "Give the intent, one of: {labels}."  # as the app words it
CHANCE = "random"
SINGLE = ("doubt", "disagreement")  # one reason alone
CHOICES = (CHANCE, *SINGLE, *WAYS)
SETTINGS = (
    "batch_size=8", "max_tokens=160", "num_threads=1", "exam_base=false",
    "exam_general=false",
    f"validation_rows={CHECK}", "exam_rows=none", "stage2_fraction=0",
)  # fmt: skip
Drawn = dict[str, Any]  # the tasks' rows: {"specs", "pool" [task][row], "check", "exam"}


def read_task(
    domain: str, described: dict[str, Any], rng: np.random.Generator
) -> tuple[TaskSpec, list[list[Example]]]:
    """A task with its LABELS most frequent labels; POOL, CHECK and EXAM rows of it."""
    name, inputs = described["name"], tuple(described["inputs"])
    target = "intent" if name == "snips" else described["target"]
    rows = read_table(DATA / domain / described["train"]).rows
    counts = Counter(str(row[target]) for row in rows)
    labels = tuple(sorted(sorted(counts), key=lambda label: -counts[label])[:LABELS])
    rows = [row for row in rows if str(row[target]) in labels]
    wanted = [rows[i] for i in rng.permutation(len(rows))[: POOL + CHECK + EXAM]]
    wording = (INSTRUCTION.format(labels=", ".join(labels)), default_template(inputs), "accuracy", "classification")
    spec = TaskSpec(name, name, inputs, (target,), *wording, labels=labels)
    found = [Example(render_prompt(spec, row), str(row[target]), i) for i, row in enumerate(wanted)]
    return spec, [found[:POOL], found[POOL : POOL + CHECK], found[POOL + CHECK :]]


def draw(domain: str, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    described = {task["name"]: task for task in read_json(DATA / domain / "domain.json")["tasks"]}
    read = [read_task(domain, described[name], rng) for name in PLAN[domain]]
    pool, check, exam = ([rows[part] for _, rows in read] for part in range(3))
    return {"specs": [spec for spec, _ in read], "pool": pool, "check": check, "exam": exam}


class Simulation:
    """One domain and seed: trains on chosen rows of the pool and keeps the scores."""

    def __init__(self, drawn: Drawn, seed: int, steps: int, folder: Path) -> None:
        self.drawn, self.seed, self.folder = drawn, seed, folder
        self.config = apply_assignments(
            RunConfig(), [*SETTINGS, f"seed={seed}", f"max_steps={steps}", f"evaluate_every={steps}"]
        )

    def train(self, rows: list[list[int]]) -> tuple[RunFolder, float]:
        """rows: places in the pool, by task; -> the run and its mean exam score."""
        examples: dict[tuple[int, str], list[Example]] = {}
        specs = []
        for task, spec in enumerate(self.drawn["specs"]):
            examples[task, "train"] = [self.drawn["pool"][task][row] for row in sorted(rows[task])]
            examples[task, "validation"], examples[task, "test"] = (
                self.drawn["check"][task],
                self.drawn["exam"][task],
            )
            specs.append(dataclasses.replace(spec, num_train=len(rows[task]), num_validation=CHECK, num_test=EXAM))
        folder = RunFolder(self.folder / new_id("r"))
        folder.path.mkdir(parents=True)
        fill_run(folder, "simulated", self.config, TaskDataset(tuple(specs), examples), {})
        train_run(folder, self.config, SilentJournal(folder))
        scores = [task["tuned"]["value"] for task in read_json(folder.results_path)["tasks"]]
        return folder, statistics.fmean(scores)

    def proposals(self, run: RunFolder, open_rows: list[list[int]]) -> list[list[Proposal]]:
        asker = PoolAsker(run, lambda done, total: None)
        pool = self.drawn["pool"]
        return [asker.ask(task, [pool[task][row].prompt for row in rows], 1) for task, rows in enumerate(open_rows)]

    def open_rows(self, rows: list[list[int]], round_: int) -> list[list[int]]:
        """READ rows a task that have no answer yet: the same for every way that has answered the same so far."""
        rng = np.random.default_rng([self.seed, round_])
        return [[int(row) for row in rng.permutation(POOL) if row not in taken][:READ] for taken in rows]

    def scores(self, unit: dict[str, Any], ways: list[str], until: float, save: Callable[[], None]) -> None:
        """Fills in {full, curves: {way: the score after 0..ROUNDS rounds}}, saved as it comes; what is there is not
        made again."""
        first: list[list[int]] = [list(range(FIRST)) for _ in self.drawn["specs"]]
        if "full" not in unit:
            unit["full"] = self.train([list(range(POOL)) for _ in first])[1]
            save()
        started = self.train(first)
        known: list[list[Proposal]] = []
        for way in [way for way in ways if way not in unit["curves"]]:
            if time.monotonic() > until:
                return
            rows, (run, score), curve = first, started, []
            for round_ in range(ROUNDS):
                curve.append(score)
                candidates = self.open_rows(rows, round_)
                if way == CHANCE:
                    told = []
                elif round_:
                    told = self.proposals(run, candidates)
                else:  # asked of the same run by all ways
                    told = known = known or self.proposals(run, candidates)
                chosen = [choose(found, told[task] if told else [], way) for task, found in enumerate(candidates)]
                rows = [[*old, *new] for old, new in zip(rows, chosen, strict=True)]
                run, score = self.train(rows)
            unit["curves"][way] = [*curve, score]
            save()


def choose(rows: list[int], told: list[Proposal], way: str) -> list[int]:
    """The AT_ONCE rows most worth asking about; rows stand in an order of chance."""
    if way == CHANCE:
        return rows[:AT_ONCE]
    reasons = np.array(
        [[1.0 - one.confidence, np.nan if one.disagreement is None else one.disagreement] for one in told]
    )
    if way in SINGLE:
        reasons, way = reasons[:, [SINGLE.index(way)]], WAYS[1]
    return [rows[place] for place in rank_rows(reasons, way)[:AT_ONCE]]


def labels_needed(curve: list[float], goal: float) -> float | None:
    """Labels a task at which the line through the curve first reaches the goal; None: it never does."""
    if curve[0] >= goal:
        return float(FIRST)
    for round_, (before, after) in enumerate(pairwise(curve)):
        if after >= goal:
            return FIRST + AT_ONCE * (round_ + (goal - before) / (after - before))
    return None


def table(known: dict[str, Any], ways: list[str]) -> str:
    """Markdown: every way, over all that was measured, and its difference from chance."""
    lines = ["| way | labels a task for 90 % | reached | mean score of the rounds | minus chance |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    units = [unit for unit in known.values() if set(unit["curves"]) >= {CHANCE, *ways}]
    for way in ways if units else ():
        needed = [labels_needed(unit["curves"][way], GOAL * unit["full"]) for unit in units]
        reached = [one for one in needed if one is not None]
        means = [100 * statistics.fmean(unit["curves"][way][1:]) for unit in units]
        chance = [100 * statistics.fmean(unit["curves"][CHANCE][1:]) for unit in units]
        gaps = [a - b for a, b in zip(means, chance, strict=True)]
        error = f" ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.1f}" if len(gaps) > 1 else ""
        told = (
            f"{statistics.median(reached):.0f}"
            if len(reached) * 2 > len(needed)
            else f"> {FIRST + AT_ONCE * ROUNDS}"
        )
        gap = "" if way == CHANCE else f"{statistics.fmean(gaps):+.1f}{error}"
        lines.append(
            f"| {way} | {told} | {len(reached)} of {len(needed)} | {statistics.fmean(means):.1f} | {gap} |"
        )
    return "\n".join(lines)


def save(path: Path, known: dict[str, Any]) -> None:
    """Also says what there is."""
    write_json_atomic(path, known)
    print({key: sorted(unit["curves"]) for key, unit in known.items()}, round(time.process_time()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--ways", nargs="+", choices=CHOICES, default=list(CHOICES))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--output", type=Path, default=ROOT / "assets/docs/annotating.json")
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args()
    known = read_json(chosen.output) if chosen.output.is_file() else {}
    until = time.monotonic() + 60 * chosen.minutes
    wanted = [(domain, seed) for seed in chosen.seeds for domain in PLAN]
    for domain, seed in [] if chosen.table else wanted:
        unit = known.setdefault(f"{domain} | seed {seed} | {chosen.steps} steps", {"curves": {}})
        if time.monotonic() > until or set(unit["curves"]) >= set(chosen.ways):
            continue
        with tempfile.TemporaryDirectory() as folder:
            Simulation(draw(domain, seed), seed, chosen.steps, Path(folder)).scores(
                unit, chosen.ways, until, partial(save, chosen.output, known)
            )
    measured = {key: unit for key, unit in known.items() if key.endswith(f"| {chosen.steps} steps")}
    print(table(measured, chosen.ways))


if __name__ == "__main__":
    main()

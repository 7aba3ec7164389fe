"""What common skills should carry: scores, losses and a new task from 20 rows under several ways to train C-Poly.

    nice -n 15 python tests/benchmarks/commons.py run --workspace DIR [--base-model starter] [--seeds 0 1 2]
        [--ways private_start=0 ...] [--domains finance ...] [--minutes 60] [--losses]
    python tests/benchmarks/commons.py report

On each of the four development domains some related tasks are trained together (PLAN, ROWS practice rows a task,
one thread) and sit an exam of EXAM_ROWS rows; then each task that was left out is added to the trained run from
NEW_ROWS rows, by its row of the allocation alone and with a private skill. Beside it stand private LoRAs of the
task alone, on all its rows and on the same NEW_ROWS. Losses are in nats an answer token, scores 0..1. What is in
assets/docs/commons.json is not measured again (but for rounds without added tasks, where those are wanted); after
--minutes nothing new is begun. `report` prints, over the rounds (domain, seed) that all ways have, means and paired
differences from the first way with their standard error.
--losses leaves the exams and the new tasks out, which are three fifths of the time: what is left is what the tasks
that were trained together lose.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from core.asking.new_task import AddSettings, Learner  # noqa: E402
from core.base.files import new_id, read_json, write_json_atomic  # noqa: E402
from core.insight.evidence import read_evidence  # noqa: E402
from core.runs.creation import fill_run  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.runs.journal import SilentJournal  # noqa: E402
from core.tasks.changing.domain import add_domain  # noqa: E402
from core.tasks.dataset import TaskDataset, load_saved_dataset  # noqa: E402
from core.training import evidence as measuring  # noqa: E402
from core.training.config import RunConfig, apply_assignments  # noqa: E402
from core.training.plan import load_run_dataset  # noqa: E402
from core.training.session import train_run  # noqa: E402
from core.workspace import Project, Workspace  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "tasks"
OUT = ROOT / "assets" / "docs" / "commons.json"
# Domain: tasks that are trained together, tasks that are left out and added later. The first rows of each file are
# taken, so no file that is sorted by its labels (clinc_finance) is among them.
PLAN = {
    "customer_service": (
        ("pros_cons", "restaurant8k", "snips", "query_wellformedness"),
        ("clinc_assistant", "product_review_aspects", "disfl_qa"),
    ),
    "finance": (("banking77", "nlupp_banking_intents", "sec_filings_ner"), ("nlupp_banking_slots",)),
    "medical": (("bc5cdr", "rqe", "medquad_qtype"), ("ncbi_disease",)),
    "chinese": (("crosswoz_acts", "drcd_question_generation", "kdconv_reply"), ("crosswoz_domain",)),
}
WAYS = ("private_start=0", "private_start=0.4", "private_start=0.2", "private_start=0,private_dropout=0.5")
ROWS, CHECK_ROWS, EXAM_ROWS, NEW_ROWS = 160, 16, 24, 20
SHARE = (
    f"validation_rows={CHECK_ROWS} exam_rows={EXAM_ROWS} max_tokens=128 num_threads=1 exam_general=false".split()
)
ASKED = AddSettings((NEW_ROWS,), 1, exam_rows=EXAM_ROWS)
ALONE = ("LoRA alone", "LoRA alone, few rows")


def find_project(workspace: Path, domain: str) -> Project:
    """The domain's project, made from the planned tasks only: reading all takes longer than a training."""
    home = Workspace(workspace)
    known = next((p for p in home.list_projects() if p.name == domain), None)
    if known is not None:
        return known
    project, wanted = home.create_project(domain), [name for part in PLAN[domain] for name in part]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        described = read_json(DATA / domain / "domain.json")
        described["tasks"] = [task for task in described["tasks"] if task["name"] in wanted]
        for path in (DATA / domain).iterdir():
            if path.name.split(".")[0] in wanted:
                shutil.copy(path, folder / path.name)
        (folder / "domain.json").write_text(json.dumps(described), encoding="utf-8")
        add_domain(project, folder)
    return project


def some_rows(project: Project, config: RunConfig, tasks: Iterable[str], rows: int = ROWS) -> TaskDataset:
    most = {"train": rows, "validation": CHECK_ROWS, "test": EXAM_ROWS}
    whole = load_run_dataset(project, config, list(tasks))
    return dataclasses.replace(
        whole, examples={key: found[: most[key[1]]] for key, found in whole.examples.items()}
    )


def train(project: Project, dataset: TaskDataset, config: RunConfig, name: str) -> RunFolder:
    folder = RunFolder(project.runs_dir / new_id("r"))
    folder.path.mkdir(parents=True)
    fill_run(folder, name, config, dataset, {})
    train_run(folder, config, SilentJournal(folder))
    return folder


def settings(args: argparse.Namespace, seed: int, *more: str) -> RunConfig:
    few = ["exam_rows=1", "exam_base=false"] if args.losses else []
    shared = apply_assignments(RunConfig(), [*SHARE, f"base_model={args.base_model}", f"seed={seed}"])
    return apply_assignments(apply_assignments(shared, few), [*args.set, *more])


def together(args: argparse.Namespace, domain: str, way: str, seed: int) -> dict[str, Any]:
    """The domain's tasks trained one way, and each left-out task added: figures by task."""
    project, (tasks, left_out) = find_project(args.workspace, domain), PLAN[domain]
    more = [f"adapter.{part}" for part in way.split(",")]
    config = settings(args, seed, "exam_base=false", *more)
    folder = train(project, some_rows(project, config, tasks), config, way)
    found, evidence = _scores(folder, args), read_evidence(folder.path)
    assert evidence is not None
    for task in tasks:
        loss = {"loss": evidence.own[task], "base_loss": evidence.base[task]}
        found[task] |= {**loss, "common_share": _number(evidence.common_share[task])}
    asked = [] if args.losses else left_out
    new = {name: added(folder, some_rows(project, config, [name])) for name in asked}
    return {"tasks": found, "new": new}


def added(folder: RunFolder, new: TaskDataset) -> dict[str, Any]:
    """A task added to a run: by the nearest task's row as it is, by a row of its own, by that and a skill; the
    loss of the latter at the last step too, where the check rows do not choose what is kept."""
    learner = Learner(folder, load_saved_dataset(folder.data_dir), new, ASKED)
    nearest, rows = learner.rank_known_tasks(), learner.draw(NEW_ROWS, 0)
    task = learner.model.adapter.add_task(like=nearest[0][0], seed=learner.config.seed)
    learner.model.tasks.append(new.tasks[0].name)
    learner.model.eval()
    start = copy.deepcopy(learner.model.adapter.state_dict())
    found: dict[str, Any] = {
        "nearest": learner.dataset.tasks[nearest[0][0]].name,
        "untrained": _loss(learner, task),
    }
    for kind, with_private in (("row", False), ("row and skill", True)):
        learner.model.adapter.load_state_dict(start)
        learner.settings = dataclasses.replace(ASKED, with_private=with_private)
        learner.train(task, rows)
        score = learner.score_of(learner.exam(task, rows)).value
        found[kind] = {"score": score, "loss": _loss(learner, task)}
    learner.model.adapter.load_state_dict(start)
    learner.new = dataclasses.replace(new, examples={(0, "train"): new.split(0, "train")})  # nothing to check on
    learner.train(task, rows)
    return found | {"last step": _loss(learner, task)}


def alone(args: argparse.Namespace, domain: str, way: str, seed: int) -> dict[str, Any]:
    """Private LoRAs of the left-out tasks: what there is to gain, with all rows or with the same few."""
    project, found = find_project(args.workspace, domain), {}
    for name in PLAN[domain][1]:
        config = settings(args, seed, "method=private_lora", *(["max_steps=60"] if way == ALONE[1] else []))
        whole = some_rows(project, config, [name])
        few = [whole.split(0, "train")[i] for i in _drawn(len(whole.split(0, "train")))]
        less = dataclasses.replace(whole, examples={**whole.examples, (0, "train"): few})
        folder = train(project, less if way == ALONE[1] else whole, config, way)
        learner = Learner(folder, whole, whole, ASKED)
        learner.rank_known_tasks()  # whether the short head is right
        with learner.model.disabled():
            base_loss = _loss(learner, 0)
        found[name] = {**_scores(folder, args)[name], "loss": _loss(learner, 0), "base_loss": base_loss}
    return {"new": found}


def _drawn(count: int) -> list[int]:
    """The rows that `Learner.draw` takes."""
    return [int(i) for i in np.random.default_rng(0).permutation(count)[:NEW_ROWS]]


def _loss(learner: Learner, task: int) -> float:
    """Of the exam rows, nats an answer token."""
    return learner.check_loss(task, learner.batches(learner.questions))


def _scores(folder: RunFolder, args: argparse.Namespace) -> dict[str, Any]:
    results = read_json(folder.results_path)["tasks"]
    if args.losses:
        return {r["name"]: {"score": None, "base": None, "rows": 0} for r in results}
    return {
        r["name"]: {"score": r["tuned"]["value"], "base": (r.get("base") or {}).get("value"), "rows": r["n"]}
        for r in results
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def key_of(args: argparse.Namespace, domain: str, way: str, seed: int) -> str:
    return f"{args.base_model.rsplit('/', 1)[-1]} | {domain} | {way} | seed {seed}"


def run(args: argparse.Namespace) -> None:
    if args.losses:
        measuring.MOST_BORROWED = 0
    until = time.monotonic() + 60 * args.minutes
    for seed in args.seeds:
        for domain in args.domains:
            for way in args.ways:  # a domain is whole before the next is begun
                known = read_json(OUT) if OUT.is_file() else {}
                key = key_of(args, domain, way, seed)
                has_new = args.losses or bool(known.get(key, {}).get("new"))
                if (key in known and has_new) or time.monotonic() > until:
                    continue
                began = time.process_time()
                found = (alone if way in ALONE else together)(args, domain, way, seed)
                known[key] = {**found, "processor_s": round(time.process_time() - began, 1)}
                write_json_atomic(OUT, known)
                print(key, known[key]["processor_s"], flush=True)


def report(args: argparse.Namespace) -> None:
    known = read_json(OUT)
    places = [(domain, seed) for seed in args.seeds for domain in args.domains]
    ways = [way for way in args.ways if way not in ALONE]
    rounds = [p for p in places if all(key_of(args, p[0], way, p[1]) in known for way in ways)]
    print(f"trained together, {len(rounds)} rounds: {rounds}")
    for figure in ("score", "loss", "common_share"):
        means = {
            way: [_mean(known[key_of(args, domain, way, seed)]["tasks"], figure) for domain, seed in rounds]
            for way in ways
        }
        for way, values in means.items():
            print(f"{figure:13} {way:40} {_cell(values, means[ways[0]] if way != ways[0] else [])}")
    for way in ways:
        _report_new(args, known, way, places)


def _report_new(args: argparse.Namespace, known: dict[str, Any], way: str, places: list[tuple[str, int]]) -> None:
    """Losses and scores of added tasks, and which share of what a private LoRA on all rows gains they have: all
    tasks' gains added up, by the loss and by the score."""
    kinds = ("untrained", "row", "row and skill", "last step", ALONE[1], ALONE[0])
    by_loss, by_score = (dict.fromkeys(kinds, 0.0) for _ in range(2))
    print(f"added from {NEW_ROWS} rows to a run with {way}: loss (score)")
    for domain, seed in places:
        keys = [key_of(args, domain, one, seed) for one in (way, *ALONE)]
        for name in PLAN[domain][1] if all(known.get(key, {}).get("new") for key in keys) else ():
            new, whole, few = (known[key]["new"][name] for key in keys)
            bare = {kind: {"loss": new[kind]} for kind in ("untrained", "last step")}
            found = {**new, **bare, ALONE[1]: few, ALONE[0]: whole}
            for kind in kinds:
                by_loss[kind] += whole["base_loss"] - found[kind]["loss"]
                by_score[kind] += (found[kind].get("score") or 0.0) - whole["base"]
            told = [f"{kind} {found[kind]['loss']:.2f} ({_shown(found[kind].get('score'))})" for kind in kinds]
            told.insert(0, f"untouched {whole['base_loss']:.2f} ({_shown(whole['base'])})")
            print(f"  {name} seed {seed}: {', '.join(told)}")
    for what, gains in (("loss", by_loss), ("score", by_score)):
        if gains[ALONE[0]] > 0:
            asked = kinds if what == "loss" else ("row", "row and skill", *ALONE)
            shares = {kind: round(gains[kind] / gains[ALONE[0]], 3) for kind in asked}
            print(f"  share of what {ALONE[0]} gains on all of them, by {what}:", shares)


def _shown(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def _mean(tasks: dict[str, Any], figure: str) -> float:
    values = [one[figure] for one in tasks.values() if one[figure] is not None]
    return statistics.fmean(values) if values else math.nan


def _cell(values: list[float], first: list[float]) -> str:
    pairs = [b - a for a, b in zip(first, values, strict=False) if not math.isnan(b - a)]
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return "-"
    error = statistics.stdev(pairs) / len(pairs) ** 0.5 if len(pairs) > 1 else math.nan
    return f"{statistics.fmean(values):.3f}" + (f" ({statistics.fmean(pairs):+.3f} ± {error:.3f})" if pairs else "")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--base-model", default="starter")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--domains", nargs="+", default=list(PLAN), choices=list(PLAN))
    parser.add_argument("--ways", nargs="+", default=[*WAYS, *ALONE])
    parser.add_argument("--minutes", type=float, default=90.0)
    parser.add_argument("--losses", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = read_arguments()
    run(chosen) if chosen.what == "run" else report(chosen)

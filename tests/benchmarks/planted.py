"""Does the skill map find structure that was put into the tasks?

    PYTHONPATH=. python tests/benchmarks/planted.py SHARED_TASKS [--seeds 0 1 2] [--steps 120]
        [--trials adapter.granularity=layer adapter.granularity=model ...] [--pull] [--output FILE]

Each of three sets takes three data sets. Of each two tasks are made from disjoint parts of its rows (twins); of the
first a third one whose answers are written in other words (family); of the second one whose answers are shuffled
among the rows (stranger). A map is right when twins are each other's nearest task, and when cutting the tree of
similarities into four groups gives the plan back (adjusted Rand index, 1 = exactly, 0 = chance).

Two maps are judged: the common rows of the allocation (correlation around the mean row), and the evidence, how
little two tasks lose by answering with each other's row. Also printed: the mean check loss, and the share of the
gain over the untouched model that is lost without the common skills. What is in FILE is not measured again.

--pull judges a third map instead, which needs no training: the pull of the evidence, as the program measures and
shows it (core/training/pull.py). The adapter's start is the same for all seeds there; a seed changes the stranger
and which rows of the data sets the tasks are made of.

Of the rows and of the pull there is also what the screen would say: pairs told to be alike (beyond chance), of two
tasks made from one data set (right), of any others (wrong), and with the stranger, whatever it is made from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster
from sklearn.metrics import adjusted_rand_score
from stages import Study

from core.base.files import write_json_atomic
from core.insight.allocation import allocation_from_table, task_similarity, task_tree
from core.insight.evidence import borrowed_similarity, evidence_from_record
from core.insight.likeness import sure_pairs
from core.insight.pull import pull_from_record
from core.models.known_models import STARTER
from core.tasks.changing.domain import add_domain
from core.tasks.dataset import Example, TaskDataset, load_dataset_of
from core.training.config import RunConfig, change_config
from core.training.evidence import measure_evidence
from core.training.pull import measure_pull
from core.workspace import Workspace

SETS = {
    "service": ("customer_service", ("pros_cons", "disfl_qa", "restaurant8k")),
    "assistant": ("customer_service", ("clinc_assistant", "product_review_aspects", "snips")),
    "medical": ("medical", ("medquad_qtype", "ncbi_disease", "rqe")),
}
GROUPS = [0, 0, 1, 1, 2, 2, 0, 3]  # twins of three data sets, the family of the first, the stranger
TWINS = [(0, 1), (2, 3), (4, 5)]
ROWS, CHECK_ROWS = 240, 16
STRANGER = GROUPS.index(3)
PULL = "pull, as measured and shown"
DOCS = Path(__file__).resolve().parents[2] / "assets" / "docs"

# Every default that the figures hang on is named: a key of the file must not change its meaning with a default.
TRIALS = [f"adapter.granularity={one},adapter.private_start=0" for one in ("layer", "block", "model")]


def plant(domain: Path, names: tuple[str, ...], seed: int, workspace: Path, draws: bool = False) -> TaskDataset:
    """Eight tasks with a known structure out of three data sets; `draws`: the seed chooses their rows as well."""
    project = Workspace(workspace).create_project(f"planted {seed}")
    add_domain(project, domain)
    whole = load_dataset_of(project)
    places = [whole.names().index(name) for name in names]
    parts = [(place, half) for place in places for half in (0, 1)] + [(places[0], 2), (places[1], 2)]
    specs, examples = [], {}
    for number, (place, part) in enumerate(parts):
        specs.append(
            replace(whole.tasks[place], name=f"{whole.tasks[place].name} {part + 1}", task_id=f"t{number}")
        )
        for split, rows in (("train", ROWS), ("validation", CHECK_ROWS)):
            found = drawn(whole.split(place, split), seed) if draws else whole.split(place, split)
            chosen = found[part::3][:rows]
            if part == 2:
                chosen = in_other_words(chosen) if place == places[0] else shuffled(chosen, seed)
            examples[number, split] = chosen
    return TaskDataset(tuple(specs), examples)


def drawn(rows: list[Example], seed: int) -> list[Example]:
    return [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]


def in_other_words(rows: list[Example]) -> list[Example]:
    """Every answer as the same code for the same answer: another form of the same decision."""
    codes = {target: f"class {n + 1}" for n, target in enumerate(sorted({row.target for row in rows}))}
    return [replace(row, target=codes[row.target]) for row in rows]


def shuffled(rows: list[Example], seed: int) -> list[Example]:
    """The answers of other rows: nothing can be learned but their form."""
    targets = [row.target for row in rows]
    np.random.default_rng(seed).shuffle(targets)
    return [replace(row, target=target) for row, target in zip(rows, targets, strict=True)]


def judge(similarity: np.ndarray) -> dict[str, float]:
    """Share of twins that are mutual nearest neighbours, and the Rand index of the four groups."""
    others = similarity.astype(float).copy()
    np.fill_diagonal(others, -np.inf)
    nearest = others.argmax(1)
    mutual = np.mean([nearest[a] == b and nearest[b] == a for a, b in TWINS])
    labels = fcluster(task_tree(pd.DataFrame(similarity)), len(set(GROUPS)), "maxclust")
    return {"twins": float(mutual), "rand": float(adjusted_rand_score(GROUPS, labels))}


def told(pairs: list[tuple[str, str, float]] | None, names: list[str]) -> dict[str, int]:
    """Pairs that the screen calls alike, by whether they are."""
    places = [(names.index(a), names.index(b)) for a, b, _ in pairs or []]
    strange = [pair for pair in places if STRANGER in pair]
    right = [pair for pair in places if GROUPS[pair[0]] == GROUPS[pair[1]]]
    return {"right": len(right), "wrong": len(places) - len(right) - len(strange), "stranger": len(strange)}


def measure(dataset: TaskDataset, trial: str, seed: int, steps: int) -> dict[str, Any]:
    values: dict[str, Any] = {"seed": seed, "max_steps": steps, "num_threads": 1, "device": "cpu"}
    changes = dict(part.split("=", 1) for part in trial.split(",") if part)
    config = change_config(change_config(RunConfig(base_model=STARTER), values), changes)
    study = Study(dataset, config)
    study.run(1, steps)
    study.run(2, max(1, steps // 5), micro=steps)
    modular = study.answers.modular
    allocation = allocation_from_table(modular.allocation_table(), dataset.names())
    found = evidence_from_record(measure_evidence(study.answers, study.validation, dataset.names()))
    return {
        "loss": float(found.own.mean()),
        "common_share": float(found.common_share.mean()),
        "allocation": {
            **judge(task_similarity(allocation, centred=True).to_numpy()),
            "told": told(sure_pairs(allocation), dataset.names()),
        },
        "evidence": judge(borrowed_similarity(found).to_numpy()),
    }


def pull_of(dataset: TaskDataset) -> dict[str, Any]:
    study = Study(dataset, change_config(RunConfig(base_model=STARTER), {"num_threads": 1, "device": "cpu"}))
    names = dataset.names()
    found = pull_from_record({"tasks": names, "pull": measure_pull(study.answers, study.validation)})
    assert found is not None
    return {"pull": {**judge(found.cosine.to_numpy()), "told": told(found.pairs(), names)}}


def rounds(args: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    for seed in args.seeds:
        for name in SETS:
            for trial in [PULL] if args.pull else args.trials:
                yield name, trial, seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--trials", nargs="+", default=TRIALS)
    parser.add_argument("--pull", action="store_true")
    parser.add_argument("--output", type=Path, default=DOCS / "planted.json")
    args = parser.parse_args()
    known: dict[str, Any] = json.loads(args.output.read_text()) if args.output.exists() else {}
    for name, trial, seed in rounds(args):
        key = f"{name} | {trial} | seed {seed} | {0 if args.pull else args.steps} steps"
        if key not in known:
            domain, names = SETS[name]
            with tempfile.TemporaryDirectory() as workspace:
                dataset = plant(args.tasks / domain, names, seed, Path(workspace), draws=args.pull)
                known[key] = pull_of(dataset) if args.pull else measure(dataset, trial, seed, args.steps)
            write_json_atomic(args.output, known)
        print(key, json.dumps(known[key]), flush=True)
    if args.pull:
        rows = [found["pull"] for key, found in known.items() if key.split(" | ")[1] == PULL]
        means = {what: round(float(np.mean([row[what] for row in rows])), 3) for what in ("twins", "rand")}
        print(PULL, means, f"n={len(rows)}", add_up([row["told"] for row in rows]))
    else:
        summarise(known, args.trials)


def add_up(tallies: list[dict[str, int]]) -> dict[str, int]:
    """Pairs told in all rounds that counted them."""
    return {kind: sum(one[kind] for one in tallies) for kind in ("right", "wrong", "stranger")}


def summarise(known: dict[str, Any], trials: list[str]) -> None:
    print(f"\n{'trial':44} {'loss':>6} {'commons':>8} {'twins':>6} {'rand':>6} {'twins(e)':>9} {'rand(e)':>8}")
    for trial in trials:
        rows = [found for key, found in known.items() if key.split(" | ")[1] == trial]
        means = [
            np.nanmean([r["loss"] for r in rows]),
            np.nanmean([r["common_share"] for r in rows]),
            *(
                np.mean([r[kind][what] for r in rows])
                for kind in ("allocation", "evidence")
                for what in ("twins", "rand")
            ),
        ]
        counted = [row["allocation"]["told"] for row in rows if "told" in row["allocation"]]
        more = f" told in {len(counted)}: {add_up(counted)}" if counted else ""
        print(f"{trial:44} " + " ".join(f"{mean:8.3f}" for mean in means), f" n={len(rows)}{more}")


if __name__ == "__main__":
    main()

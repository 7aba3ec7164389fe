"""The registered study on real weights: what assets/docs/study-plan.md says, piece by piece, resumable.

    python tests/benchmarks/proof.py PIECE --workspace DIR [--model smollm2-135m] [--domain DOMAIN] [--part K/N]
    python tests/benchmarks/proof.py report --workspace DIR [DIR ...]

PIECE is `rates` (each arm's learning rates on the medical domain), `main` (every arm, one seed after the other)
or `curve` (four arms with 10 and 25 % of the rows). `main` and `curve` want the rates and a domain; domains,
and parts of the sweep, may run side by side in workspaces of their own, since a run uses one thread. Each
command goes on where it stopped. `report` adds whatever is there to assets/docs/proof-rates.json (an arm's rate
once all of its trials are made) and proof.json, and prints it. A run whose figures these hold is not made
again, also where its workspace is gone.
"""

from __future__ import annotations

import argparse
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from study import DOCS, make_project  # first: it brings the repository's root into the path

from core.base.errors import RunError
from core.base.files import read_json, write_json_atomic
from core.insight import study_tables
from core.insight.study import Arm, Cell, Study, create_study, find_study, read_study, run_study
from core.training.config import RunConfig, apply_assignments
from core.workspace import Workspace

RATES, PROOF = DOCS / "proof-rates.json", DOCS / "proof.json"
# Whose rows fit: 95 % of the practice rows hold at most 320 tokens of SmolLM2, question, instruction and answer.
TASKS = {
    "finance": (
        "banking77",
        "nlupp_banking_intents",
        "nlupp_banking_slots",
        "clinc_finance",
        "tatqa_question_generation",
        "sec_filings_ner",
    ),
    "customer_service": (
        "clinc_assistant",
        "snips",
        "query_wellformedness",
        "disfl_qa",
        "wnut17",
        "restaurant8k",
        "pros_cons",
        "product_review_aspects",
    ),
    "medical": ("ncbi_disease", "bc5cdr", "rqe", "meqsum", "medquad_qtype"),
}
STUDIED, TUNED_ON = ("finance", "customer_service"), "medical"
BUDGET = (
    "max_tokens=320",
    "num_threads=1",
    "checkpoint_every=100000",
    "exam_general=false",
    "weigh_skills=false",  # minutes a run; what the common skills carry is asked of C-Poly's runs afterwards
    "certainty_rows=0",  # minutes a run, and no answer is another for it
)
MAIN_BUDGET = (*BUDGET, "max_steps=120", "evaluate_every=120", "exam_rows=60")
RATES_BUDGET = (
    *BUDGET,
    "max_steps=60",
    "batch_size=8",
    "evaluate_every=60",
    "validation_rows=24",
    "exam_rows=1",
    "exam_base=false",
    "exam_only_labels=false",
    "stage2_fraction=0",
)
SEEDS, SHARES = (0, 1, 2), (0.1, 0.25)
TRIED = (0.003, 0.01, 0.03)
CURVE_ARMS = ("C-Poly", "LoRA, equal active rank", "LoRA, equal parameters", "private LoRA")
PIECES = ("rates", "main", "curve")
DRAWS = 5000
FEWEST_TASKS = 5  # of a domain


def arms(num_tasks: int) -> tuple[Arm, ...]:
    """The arms of the plan; the first is the reference. Sizes that an arm does not name: equal active rank."""
    rank, skills = RunConfig().adapter.rank, 3 + num_tasks
    return (
        Arm("C-Poly", "cpoly"),
        Arm("LoRA, equal active rank", "lora"),
        Arm("LoRA, equal parameters", "lora", (f"adapter.rank={rank * skills}",)),
        Arm("LoRA, rank 64", "lora", ("adapter.rank=64",)),
        Arm("private LoRA", "private_lora"),
        Arm("Poly, 3 + T skills", "poly", (f"adapter.rank={rank}", f"adapter.num_common_skills={skills}")),
        Arm("MHR", "mhr"),
        Arm("ALTER, faithful", "mta", ("adapter.form=faithful",)),
    )


def with_rate(arm: Arm, rate: float, label: str | None = None) -> Arm:
    return replace(arm, label=label or arm.label, assignments=(*arm.assignments, f"learning_rate_skills={rate:g}"))


def rated_arms(num_tasks: int) -> tuple[Arm, ...]:
    """The arms with the rates chosen on the domain that is not in the study."""
    chosen = read_json(RATES)["chosen"]
    return tuple(with_rate(arm, chosen[arm.label]) for arm in arms(num_tasks))


def rate_trials() -> tuple[Arm, ...]:
    tried = [(arm, rate) for arm in arms(len(TASKS[TUNED_ON])) for rate in rates_of(arm)]
    return tuple(with_rate(arm, rate, f"{arm.label} @ {rate:g}") for arm, rate in tried)


def rates_of(arm: Arm) -> tuple[float, ...]:
    """Three rates an arm. The faithful adapters diverge at the others' (decisions.md), so theirs are a tenth."""
    return tuple(rate / 10 for rate in TRIED) if "faithful" in arm.label else TRIED


def studies(piece: str, domain: str, model: str, part: tuple[int, int] = (0, 1)) -> list[Study]:
    """A piece's plans in the order of their running: `main` is a study a seed, so that a third is a whole one.
    Without the runs whose figures are kept; of the sweep every N-th trial from the K-th."""
    names = TASKS[domain]
    if piece == "rates":
        config = apply_assignments(RunConfig(base_model=model), list(RATES_BUDGET))
        plan = Study(piece, config, rate_trials(), (0,), tasks=names)
        kept = {f"{arm} @ {rate}" for arm, losses in kept_losses().items() for rate in losses}
        due = tuple(cell for cell in plan.cells[part[0] :: part[1]] if cell.arm not in kept)
        return [replace(plan, cells=due)] if due else []
    config = apply_assignments(RunConfig(base_model=model), list(MAIN_BUDGET))
    chosen = rated_arms(len(names))
    few = tuple(arm for arm in chosen if arm.label in CURVE_ARMS)
    plans = [
        Study(f"main {seed}", config, chosen, (seed,), tasks=names)
        if piece == "main"
        else Study(f"curve {seed}", config, few, (seed,), SHARES, tasks=names)
        for seed in SEEDS
    ]
    kept = {(row["piece"], row["domain"], row["share"], row["seed"], row["arm"]) for row in kept_scores()}
    due = [[cell for cell in plan.cells if _key(piece, domain, cell) not in kept] for plan in plans]
    return [replace(plan, cells=tuple(cells)) for plan, cells in zip(plans, due, strict=True) if cells]


def _key(piece: str, domain: str, cell: Cell) -> tuple[str, str, float, int, str]:
    return piece, domain, cell.share, cell.seed, cell.arm


def kept_scores() -> list[dict[str, Any]]:
    """The rows of the committed figures: one a task of every run."""
    return read_json(PROOF)["scores"] if PROOF.is_file() else []


def kept_losses() -> dict[str, dict[str, float]]:
    """The committed check losses of the sweep, by arm and rate."""
    return read_json(RATES)["check_loss"] if RATES.is_file() else {}


def run(piece: str, workspace: Path, domain: str, model: str, part: tuple[int, int]) -> None:
    """Makes whatever of the piece is not made yet."""
    project = make_project(workspace, domain)
    for plan in studies(piece, domain, model, part):
        folder = find_study(project, plan.name) or create_study(project, plan)
        run_study(
            project,
            folder,
            lambda cell, place, total, status: print(
                f"\r{place}/{total} {cell.arm}, seed {cell.seed}: {status.state} {status.progress:.0%}    ", end=""
            ),
        )


def frames_of(workspaces: list[Path], piece: str, names: list[str]) -> list[pd.DataFrame]:
    """One row a task of every finished run of these studies, with the piece it belongs to."""
    frames = []
    for project in [p for home in workspaces for p in Workspace(home).list_projects()]:
        for folder in [found for name in names if (found := find_study(project, name))]:
            with suppress(RunError):  # begun, and no exam yet
                frames.append(study_tables.study_frame(project, read_study(folder)).assign(piece=piece))
    return frames


def report_rates(workspaces: list[Path]) -> None:
    """Each arm's rate: the one with the lowest check loss (the mean over tasks), once all three have been tried."""
    table = kept_losses()
    for frame in frames_of(workspaces, "rates", ["rates"]):
        for label, loss in frame.groupby("arm")["check_loss"].mean().dropna().items():  # the base model has none
            arm, _, rate = str(label).partition(" @ ")
            table.setdefault(arm, {})[rate] = round(float(loss), 5)
    whole = {arm: losses for arm, losses in table.items() if len(losses) == len(TRIED)}
    chosen = {arm: float(min(losses, key=losses.__getitem__)) for arm, losses in whole.items()}
    write_json_atomic(RATES, {"domain": TUNED_ON, "check_loss": table, "chosen": chosen})


def read(workspaces: list[Path]) -> pd.DataFrame:
    """One row a task of every run of `main` and `curve`: the committed ones, and those of the workspaces."""
    kept = pd.DataFrame(kept_scores())
    frames = [kept] if len(kept) else []
    for piece in ("main", "curve"):
        frames += frames_of(workspaces, piece, [f"{piece} {seed}" for seed in SEEDS])
    if not frames:
        raise SystemExit("no finished run in these workspaces")
    keys = ["piece", "domain", "share", "seed", "arm", "task"]
    return pd.concat(frames, ignore_index=True).drop_duplicates(keys, keep="last")


def nested_gap(frame: pd.DataFrame, reference: str, other: str, column: str) -> dict[str, Any]:
    """Reference minus other, in `column`: the mean over domains of the mean over tasks and seeds, with a 95 %
    bootstrap interval nested as the plan says: domains stay, tasks are drawn within them, seeds within a task."""
    keys = ["domain", "task", "seed"]
    left = frame[frame["arm"] == reference].set_index(keys)[column]
    gaps = (left - frame[frame["arm"] == other].set_index(keys)[column]).dropna()
    if gaps.empty:
        return {"pairs": 0}
    domains = [
        [part.to_numpy() for _, part in rows.groupby(level="task")] for _, rows in gaps.groupby(level="domain")
    ]
    mean = float(np.mean([np.mean([task.mean() for task in tasks]) for tasks in domains]))
    if min(map(len, domains)) < FEWEST_TASKS:
        return {"pairs": len(gaps), "mean": mean}  # drawn from so few, an interval would be too narrow
    rng = np.random.default_rng(0)
    drawn = [float(np.mean([_draw(tasks, rng) for tasks in domains])) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"pairs": len(gaps), "mean": mean, "low": float(low), "high": float(high)}


def _draw(tasks: list[np.ndarray], rng: np.random.Generator) -> float:
    chosen = rng.integers(len(tasks), size=len(tasks))
    return float(np.mean([rng.choice(tasks[i], size=len(tasks[i])).mean() for i in chosen]))


def report(workspaces: list[Path]) -> None:
    report_rates(workspaces)
    frame = read(workspaces)
    main, reference = frame[frame["piece"] == "main"], arms(0)[0].label
    others = [arm.label for arm in arms(0)[1:] if arm.label in set(main["arm"])]
    gaps = [
        {"arm": arm, "score": nested_gap(main, reference, arm, "score")}
        | {"check_loss": nested_gap(main, reference, arm, "check_loss")}
        for arm in others
    ]
    summary = study_tables.summarise_study(frame)
    record = {
        "runs": int(frame.groupby(["piece", "domain", "share", "seed", "arm"]).ngroups),
        "summary": json.loads(summary.round(5).to_json(orient="records")),
        "gaps": gaps,
        "scores": json.loads(frame.round(5).to_json(orient="records")),
    }
    write_json_atomic(PROOF, record)
    print(summary.round(3).to_string(index=False))
    for gap in gaps:
        print(f"C-Poly minus {gap['arm']}: {gap['score']}, check loss {gap['check_loss']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("piece", choices=[*PIECES, "report"])
    parser.add_argument("--workspace", type=Path, nargs="+", required=True)
    parser.add_argument("--domain", choices=STUDIED, default=STUDIED[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--part", default="0/1", help="K/N: every N-th trial of the sweep, from the K-th")
    given = parser.parse_args()
    if given.piece == "report":
        report(given.workspace)
    else:
        domain = TUNED_ON if given.piece == "rates" else given.domain
        k, n = map(int, given.part.split("/"))
        run(given.piece, given.workspace[0], domain, given.model, (k, n))


if __name__ == "__main__":
    main()

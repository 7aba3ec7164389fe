"""Fifty tiny runs, each killed one to four times at random moments and resumed: does every one end bit for bit as
the undisturbed run does?

    python tests/benchmarks/kill_and_resume.py [--rounds 50] [--seed 0]

A round is a fresh run of both stages with its exam. The kernel kills the training after a random amount of
processor time, wherever it then is: loading, a step, a checkpoint, saving, the exam. Compared are the adapter, the
loss curve, the allocation history and the exam answers. Ends with 1 when a round differs.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.killing import Round, kill_and_resume, outcome, processor_seconds  # noqa: E402
from tests.tiny_models import build_tiny_llama  # noqa: E402
from tests.toy_project import build_toy_project, quick_run  # noqa: E402


def run_rounds(folder: Path, rounds: int, seed: int) -> list[Round]:
    project, model = build_toy_project(folder), build_tiny_llama(folder / "model")
    first = quick_run(project, model)
    processor_seconds(first)  # warms caches
    undisturbed = quick_run(project, model)
    whole_s, expected = processor_seconds(undisturbed), outcome(undisturbed)
    print(f"undisturbed: {whole_s:.2f} s of processor time", flush=True)
    draw, found = random.Random(seed), []
    for number in range(rounds):
        found.append(kill_and_resume(quick_run(project, model), draw, whole_s, expected))
        told = ", ".join(place or "loading" for place in found[-1].places) or "not killed in time"
        print(f"{number + 1:3}  killed after: {told}; same: {found[-1].is_same}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    chosen, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rounds = run_rounds(Path(folder), chosen.rounds, chosen.seed)
    kinds = Counter((place or "loading").split()[0] for one in rounds for place in one.places)
    kills, resumed = sum(kinds.values()), sum(bool(one.resumed_from) for one in rounds)
    places = ", ".join(f"{name} {count}" for name, count in kinds.most_common())
    same = sum(one.is_same for one in rounds)
    print(
        f"{same} of {len(rounds)} runs ended bit for bit like the undisturbed one; {kills} kills (last told: "
        f"{places}); {resumed} runs went on from a checkpoint; {time.monotonic() - began:.0f} s"
    )
    sys.exit(same < len(rounds))


if __name__ == "__main__":
    main()

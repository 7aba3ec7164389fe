"""What it saves that rows of a task share what they begin with, and that the last block runs for answers alone.

    PYTHONPATH=. python tests/benchmarks/shared_beginnings.py DOMAIN [DOMAIN ...] [--model FOLDER] [--steps 6]

Prints for each domain the share of the tokens of 16 drawn rows that need not stand there, and, side by side in
one process (A B C A B C ...), the processor time of a C-Poly step with neither, with shared beginnings, with both.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import torch
from stages import Study, read_tasks

from core.training.answer_model import Batch
from core.training.config import RunConfig, change_config

BATCH, ROUNDS, ROWS = 16, 7, 200
PLAIN, SHARED, BOTH = "neither", "shared beginnings", "last block too"


def batches_of(study: Study, count: int) -> dict[str, list[list[Batch]]]:
    """The same drawn rows three times, as the parts of `count` batches."""
    places = study.train.places()
    random.Random(0).shuffle(places)
    drawn = [places[start : start + BATCH] for start in range(0, count * BATCH, BATCH)]
    with patch("core.training.batches.share_beginnings", lambda examples, groups: {}):
        plain = [study.train.parts(rows) for rows in drawn]
    both = [study.train.parts(rows) for rows in drawn]
    whole = [[{k: v for k, v in part.items() if k != "wanted"} for part in parts] for parts in both]
    return {
        PLAIN: [[{k: v for k, v in p.items() if k != "wanted"} for p in b] for b in plain],
        SHARED: whole,
        BOTH: both,
    }


def tokens(batches: list[list[Batch]]) -> int:
    return sum(part["packing"].places.shape[1] for parts in batches for part in parts)


def step_times(study: Study, ways: dict[str, list[list[Batch]]]) -> dict[str, float]:
    """Median milliseconds of processor time a step (forward, backward, optimizer)."""
    study.answers.train()
    learned = [p for p in study.answers.modular.adapter.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, fused=True)
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, batches in ways.items():
            began = time.process_time()
            for parts in batches:
                for part in parts:
                    study.answers(part).mean().backward()
                optimizer.step()
                optimizer.zero_grad()
            found[way].append(1000 * (time.process_time() - began) / len(batches))
    return {way: statistics.median(times[1:]) for way, times in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domains", nargs="+", type=Path)
    parser.add_argument("--model", default="assets/starter")
    parser.add_argument("--steps", type=int, default=6)
    chosen = parser.parse_args()
    for domain in chosen.domains:
        for precision in ("float32", "auto"):
            config = change_config(RunConfig(base_model=chosen.model), {"precision": precision, "num_threads": 1})
            with tempfile.TemporaryDirectory() as workspace:
                study = Study(read_tasks(domain, ROWS, Path(workspace)), config)
            study.train.packed = True
            ways = batches_of(study, chosen.steps)
            saved = 1 - tokens(ways[SHARED]) / tokens(ways[PLAIN])
            times = ", ".join(f"{way} {ms:.0f} ms" for way, ms in step_times(study, ways).items())
            print(f"{domain.name}, {precision}: {saved:.0%} of the tokens saved; {times}", flush=True)


if __name__ == "__main__":
    main()

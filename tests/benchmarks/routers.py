"""Two ways to find the task of a text: the detector over n-grams, the router over the base model's hidden states.

    PYTHONPATH=. python tests/benchmarks/routers.py FOLDER [--model starter] [--output assets/docs/routers.json]

FOLDER holds one folder a domain, each with a domain.json. Both learn from the practice rows of all tasks of a
domain (the router from at most 100 a task, since it reads them with the model), both set their limits on check
rows, and both are asked the same exam rows (--rows a task). Per domain and way: accuracy; expected calibration
error; of foreign texts refused (recall: shipped texts, each topic without itself, and exam rows of the other
domains), of own texts refused by mistake, precision of a refusal when as many of both are asked; seconds of
processor time to learn, and milliseconds to ask one text. The router's layer (the last) was chosen while
looking at two of these domains; the detector's constants were chosen on such tables as well.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.chat.detecting import Finder, TaskDetector, examine_finder, find_rows
from core.chat.router import train_router
from core.models.loading import load_base
from core.tasks.dataset import TaskDataset
from tests.benchmarks.abstaining import read_domain

ASKED = 20  # texts whose time is taken, one by one


def exam(dataset: TaskDataset, rows: int) -> tuple[list[str], Any]:
    texts, labels = find_rows(dataset, "test")
    kept = [i for task in np.unique(labels) for i in np.flatnonzero(labels == task)[:rows]]
    return [texts[i] for i in kept], labels[kept]


def measure(
    build: Callable[[], Finder], asked: tuple[list[str], Any], others: dict[str, list[str]]
) -> dict[str, Any]:
    began = time.process_time()
    finder = build()
    learned, report = time.process_time() - began, examine_finder(finder, *asked)
    began = time.process_time()
    for text in asked[0][:ASKED]:
        finder.judge([text])
    each = (time.process_time() - began) / ASKED
    told = report.abstaining
    recall = {name: round(float((finder.judge(texts)[1] > 0.5).mean()), 3) for name, texts in others.items()}
    return {
        "accuracy": {name: round(value, 3) for name, value in asdict(report.accuracy).items()},
        "majority": round(report.majority, 3),
        "calibration_error": round(report.calibration_error, 3),
        "shipped": {name: round(value, 3) for name, value in asdict(told).items()} if told else None,
        "recall_other_domains": recall,
        "learn_s": round(learned, 1),
        "ask_ms": round(1000 * each, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rows", type=int, default=50, help="exam rows of a task")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    base = load_base(args.model)
    domains = {path.parent.name: read_domain(path.parent) for path in sorted(args.folder.glob("*/domain.json"))}
    asked = {name: exam(dataset, args.rows) for name, dataset in domains.items()}
    known = json.loads(args.output.read_text(encoding="utf-8")) if args.output and args.output.exists() else {}
    for name, dataset in domains.items():
        if name in known:  # goes on where it was stopped
            continue
        others = {n: texts[:: max(1, len(texts) // 60)] for n, (texts, _) in asked.items() if n != name}
        known[name] = {
            "n-grams": measure(lambda own=dataset: TaskDetector(own), asked[name], others),  # type: ignore[misc]
            "hidden states": measure(lambda own=dataset: train_router(base, own, 0), asked[name], others),  # type: ignore[misc]
        }
        print(name, json.dumps(known[name]), flush=True)
        if args.output:
            text = json.dumps(known, indent=1, ensure_ascii=False) + "\n"
            args.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

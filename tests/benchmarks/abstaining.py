"""How well is it told that a text belongs to none of a project's tasks? Projects of development tasks, asked their
own exam rows and those of other fields.

    PYTHONPATH=. python tests/benchmarks/abstaining.py FOLDER [--rows 100] [--output assets/docs/abstaining.json]

FOLDER holds one folder a domain, each with a domain.json. For every project it prints the share of own exam texts
that are refused by mistake, and by the field of the foreign texts the share that is refused (recall) and the
precision of a refusal when as many own as foreign texts are asked. "shipped": the texts of assets/foreign, each
topic judged by a threshold set without it. The exam rows of no project were used to set anything in it; the few
constants of abstaining.py were chosen while looking at such tables.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.chat.detecting import TaskDetector, question_text
from core.tasks.changing.domain import add_domain
from core.tasks.dataset import TaskDataset, load_dataset_of
from core.workspace import Workspace

SMALL = {  # projects of few tasks: what everyday projects look like
    "weather and bookings": ("customer_service", ("snips", "restaurant8k")),
    "reviews": ("customer_service", ("pros_cons", "product_review_aspects")),
    "banking requests": ("finance", ("banking77",)),
    "medical questions": ("medical", ("medquad_qtype", "rqe")),
    "abstracts": ("medical", ("medical_tc", "pubmedqa")),
    "chinese bookings": ("chinese", ("crosswoz_domain", "crosswoz_acts")),
}


def read_domain(folder: Path) -> TaskDataset:
    with tempfile.TemporaryDirectory() as workspace:
        project = Workspace(Path(workspace)).create_project("benchmark")
        add_domain(project, folder)
        return load_dataset_of(project)


def only(dataset: TaskDataset, names: tuple[str, ...]) -> TaskDataset:
    kept = [dataset.names().index(name) for name in names]
    examples = {(new, s): dataset.split(old, s) for new, old in enumerate(kept) for s in SPLITS}
    return TaskDataset(tuple(dataset.tasks[index] for index in kept), examples)


SPLITS = ("train", "validation", "test")


def exam_texts(dataset: TaskDataset, rows: int) -> list[str]:
    found = []
    for index, task in enumerate(dataset.tasks):
        exam = dataset.split(index, "test")
        order = np.random.default_rng((index, 1)).permutation(len(exam))[:rows]
        found += [question_text(task, exam[i].prompt) for i in order]
    return found


def measure(own: TaskDataset, foreign: dict[str, list[str]], rows: int) -> dict[str, Any]:
    began = time.process_time()
    detector = TaskDetector(own)
    seconds = time.process_time() - began
    texts = exam_texts(own, rows)
    shipped = detector.abstains(detector.foreignness(texts))
    fields = {name: float((detector.foreignness(asked) > 0.5).mean()) for name, asked in foreign.items()}
    precision = {name: recall / (recall + shipped.refused) if recall else 0.0 for name, recall in fields.items()}
    warfarin = detector.detect("Does warfarin interact with ibuprofen?")
    return {
        "tasks": own.names(),
        "processor_s": round(seconds, 2),
        "refused_own": round(shipped.refused, 3),
        "shipped": {name: round(value, 3) for name, value in asdict(shipped).items()},
        "recall": {name: round(value, 3) for name, value in fields.items()},
        "precision": {name: round(value, 3) for name, value in precision.items()},
        "warfarin": "none" if warfarin.is_none else warfarin.task,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=100, help="exam rows of a task")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    domains = {path.parent.name: read_domain(path.parent) for path in sorted(args.folder.glob("*/domain.json"))}
    texts = {name: exam_texts(dataset, args.rows) for name, dataset in domains.items()}
    projects = {name: (name, tuple(dataset.names())) for name, dataset in domains.items()} | SMALL
    found = {}
    for name, (domain, tasks) in projects.items():
        others = {field: asked for field, asked in texts.items() if field != domain}
        found[name] = measure(only(domains[domain], tasks), others, args.rows)
        print(name, json.dumps({k: v for k, v in found[name].items() if k != "tasks"}), flush=True)
    if args.output:
        args.output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

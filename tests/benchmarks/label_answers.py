"""Answers chosen among labels against answers written freely: score, time, and how far stated certainty holds.

    python tests/benchmarks/label_answers.py [--run FOLDER ...] [--rows 200] [--output FILE]

Without --run it makes the sample project and trains it on the starter with the default settings. For every task
with labels, for the untouched and the trained model: the score of both ways with its interval and the processor
seconds; for the trained one the score when a label's log-likelihood is divided by its length to the power 0 (what
is used), 0.5 and 1, and the expected calibration error on exam rows of the plain likelihoods and of the ones with
the temperature that check rows gave (seconds of measuring it beside). Figures: assets/docs/label_answers.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from core.asking.trained import TrainedRun, load_trained  # noqa: E402
from core.evaluation.certainty import calibration, softmax  # noqa: E402
from core.evaluation.exam import BASE, TUNED, Examiner, exam_rows  # noqa: E402
from core.evaluation.metrics import score  # noqa: E402
from core.models.label_scores import LabelQuestion, LabelScorer  # noqa: E402
from core.runs.folder import RunFolder  # noqa: E402
from core.tasks.dataset import Example, TaskDataset, load_saved_dataset  # noqa: E402
from core.tasks.spec import LABELLED  # noqa: E402
from core.training.examining import exam_settings  # noqa: E402

POWERS = (0.0, 0.5, 1.0)


def train_sample(workspace: Path) -> Path:
    for words in (["sample", "--name", "Sample"], ["train", "Sample", "--base-model", "starter"]):
        command = [sys.executable, "-m", "core", *words, "--workspace", str(workspace), "--json"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(workspace.glob("projects/*/runs/r*"))


def answer_both_ways(
    trained: TrainedRun, dataset: TaskDataset, task: int, rows: list[Example], who: str
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    metric, targets = dataset.tasks[task].metric, [row.target for row in rows]
    for way, only_labels in (("free", False), ("labels", True)):
        settings = replace(exam_settings(trained.config), only_labels=only_labels)
        examiner = Examiner(trained.base, trained.model, settings)
        began = time.process_time()
        if only_labels and who == TUNED:
            examiner.choosing.certainty_of(dataset, task)
            found["measuring_s"] = round(time.process_time() - began, 2)
            began = time.process_time()
        texts = [""] * len(rows)
        for places, given in examiner.answer_all(dataset, task, [row.prompt for row in rows], who):
            for place, text in zip(places, given, strict=True):
                texts[place] = text
        found[f"{way}_s"] = round(time.process_time() - began, 2)
        found[way] = {name: round(value, 3) for name, value in score(metric, texts, targets).as_dict().items()}
    return found


def certainty_figures(trained: TrainedRun, dataset: TaskDataset, task: int, rows: list[Example]) -> dict[str, Any]:
    examiner = Examiner(trained.base, trained.model, exam_settings(trained.config))
    labels, certainty = examiner.choosing.label_set(dataset, task), examiner.choosing.certainty_of(dataset, task)
    assert labels is not None
    known = [row for row in rows if row.target in labels.names]
    right = np.array([labels.names.index(row.target) for row in known])
    questions = [
        LabelQuestion(examiner.encode(row.prompt, labels.longest), {task: 1.0}, labels.ids) for row in known
    ]
    found: dict[str, Any] = {"labels": len(labels.names)}
    for power in POWERS:
        scorer = LabelScorer(trained.base, trained.model, True, power)
        values = np.concatenate(
            [scorer.score(questions[i : i + 16]) for i in range(0, len(questions), 16)]
        ).reshape(len(known), -1)
        found[f"accuracy_power_{power:g}"] = round(float((values.argmax(1) == right).mean()), 3)
        if power == 0 and certainty is not None:
            for name, sure in (("raw", softmax(values)), ("calibrated", certainty.probabilities(values))):
                found[f"error_{name}"] = round(calibration(sure.max(1), sure.argmax(1) == right)[0], 4)
            found["temperature"], found["check_rows"] = certainty.temperature, certainty.rows
    return found


def measure(run_dir: Path, rows: int) -> dict[str, Any]:
    folder = RunFolder(run_dir)
    trained = load_trained(folder)
    torch.set_num_threads(1)
    trained.model.eval()
    dataset, found = load_saved_dataset(folder.data_dir), {}
    for task, spec in enumerate(dataset.tasks):
        if spec.kind not in LABELLED:
            continue
        settings = replace(exam_settings(trained.config), max_rows=rows)
        exam = [example for _, example in exam_rows(dataset, task, settings)]
        sides = {who: answer_both_ways(trained, dataset, task, exam, who) for who in (BASE, TUNED)}
        found[spec.name] = {"rows": len(exam), **sides, **certainty_figures(trained, dataset, task, exam)}
        print(spec.name, json.dumps(found[spec.name]), flush=True)
    return {"base_model": Path(trained.config.base_model).name, "tasks": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, action="append", default=[])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        runs = args.run or [train_sample(Path(workspace))]
        found = [measure(run_dir, args.rows) for run_dir in runs]
    if args.output:
        args.output.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

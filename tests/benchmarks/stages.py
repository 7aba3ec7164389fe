"""Stages of training on real tasks for the benchmarks: no checks in between, checkpoints or run folder."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.models.building import build_modular
from core.runs.folder import RunFolder
from core.tasks.changing.domain import add_domain
from core.tasks.dataset import TaskDataset, load_dataset_of
from core.training.answer_model import AnswerModel
from core.training.batches import BatchPlan, EncodedSplit
from core.training.choose_packing import choose_packing
from core.training.config import RunConfig, change_config
from core.training.device import apply_device, choose_device, load_chosen_base
from core.training.manifest import TrainingState
from core.training.pace import Pace
from core.training.plan import build_sampler, plan_run
from core.training.session import build_encoder
from core.training.stage import run_stage
from core.training.validation import check_losses, to_device
from core.training.work import RunWork
from core.workspace import Workspace
from tests.toy_project import ListJournal

NEVER = 10**9


class Quiet:
    """A journal that keeps nothing."""

    def event(self, kind: str, **fields: Any) -> None: ...

    def progress(self, **changes: Any) -> None: ...

    def wish(self) -> str | None:
        return None


class Stopwatch:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self._began = (time.perf_counter(), time.process_time())

    def read(self) -> dict[str, float]:
        wall, processor = self._began
        return {"train_s": time.perf_counter() - wall, "processor_s": time.process_time() - processor}


def read_tasks(domain: Path, rows: int, workspace: Path) -> TaskDataset:
    project = Workspace(workspace).create_project("benchmark")
    add_domain(project, domain)
    dataset = load_dataset_of(project)
    limits = {"train": rows, "validation": 24, "test": 0}
    examples = {key: found[: limits[key[1]]] for key, found in dataset.examples.items()}
    return TaskDataset(dataset.tasks, examples)


class Study:
    """A model with its data; stages run on it with changed settings, without checks and checkpoints in between."""

    def __init__(self, dataset: TaskDataset, config: RunConfig) -> None:
        self.dataset, self.config = dataset, config
        choice = choose_device(config)
        self.device = apply_device(choice)
        self.base = load_chosen_base(config.base_model, choice)
        modular = build_modular(self.base, config.method, config.adapter, dataset.names(), config.seed)
        self.answers = AnswerModel(modular)
        encoder = build_encoder(self.base, config)
        self.train = EncodedSplit(dataset, "train", encoder)
        self.validation = EncodedSplit(dataset, "validation", encoder, config.validation_rows)
        self.took: dict[str, float] = {}  # by the last stage
        self.answers.head_precision = choice.head
        places = BatchPlan(build_sampler(config, dataset), config.batch_size).places(0)
        self.answers.agrees(to_device(self.train.collate(places), self.device))
        choose_packing(self.answers, [self.train, self.validation], places, config, self.device, ListJournal())
        self.unchecked = EncodedSplit(TaskDataset(dataset.tasks, {}), "validation", encoder)

    def run(self, stage: int, steps: int, micro: int = 0, **changes: Any) -> dict[str, float]:
        """Trains and returns the loss of the last adapter by the check."""
        config = change_config(self.config, {"max_steps": steps, "stage2_steps": steps, **changes})
        plan = plan_run(config, self.dataset)
        stages = tuple(replace(s, evaluate_every=NEVER, checkpoint_every=NEVER) for s in plan.stages)
        batches = BatchPlan(build_sampler(config, self.dataset), config.batch_size)
        with tempfile.TemporaryDirectory() as folder:
            work = RunWork(
                config,
                replace(plan, stages=stages),
                self.answers,
                self.device,
                self.train,
                self.unchecked,
                batches,
                Quiet(),
                RunFolder(folder),
                Pace(steps, 0, False),
            )
            watch = Stopwatch()
            run_stage(work, stage, TrainingState(stage=stage, micro=micro), None)
            self.took = watch.read()
        return self.check()

    def check(self) -> dict[str, float]:
        found = check_losses(self.answers, self.validation, self.config.batch_size, self.device)
        names = self.dataset.names()
        return {"mean": found.mean or 0.0, **{names[task]: loss for task, loss in found.by_task.items()}}

    def state(self) -> dict[str, torch.Tensor]:
        return {k: v.clone() for k, v in self.answers.modular.adapter.state_dict().items()}


def benchmark_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that benchmarks of stages share: which domain, which model, where the figures go."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    return parser


def write_figures(found: Any, output: Path | None) -> None:
    if output:
        output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

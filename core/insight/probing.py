"""Causal questions to a trained run, answered by asking it again. Needs torch; `probes.py` reads the outcome.

Knock-out: the exam without one skill. Its factors are set to zero, the other skills keep their weights, so the
change of the score is what this skill contributed. Transfer: the exam of task j answered with the allocation row
of task i. Every change is a paired difference on the same questions, with its 95 % bootstrap interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from core.adapters.base import Adapter, Skill
from core.errors import RunError
from core.evaluation.exam import TUNED, Examiner, exam_rows
from core.evaluation.metrics import compare, score
from core.files import write_json_atomic
from core.insight.probes import KNOCK_OUT, ProbeSettings, probe_path
from core.models.modular import load_adapter
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset
from core.training.config import RunConfig
from core.training.device import apply_device, choose_device, load_chosen_base
from core.training.session import exam_settings

OnProgress = Callable[[int, int], None]  # (rounds of questions so far, rounds in all)


def run_probe(run_dir: Path, kind: str, settings: ProbeSettings, on_progress: OnProgress) -> dict[str, Any]:
    """Knock-out or transfer of a run; writes <run>/probes/<kind>.json and returns it.

    Raises:
        RunError: no trained adapter, or a method whose skills cannot be switched off.
        ModelError: base model or adapter cannot be loaded.
    """
    folder = RunFolder(run_dir)
    if not folder.adapter_dir.is_dir():
        raise RunError("serving.no_adapter", run=folder.run_id)
    prober = Prober(folder, settings)
    outcome = prober.knock_out(on_progress) if kind == KNOCK_OUT else prober.transfer(on_progress)
    path = probe_path(run_dir, kind)
    path.parent.mkdir(exist_ok=True)
    write_json_atomic(path, outcome)
    return outcome


class Prober:
    """A loaded run that answers its exam under other conditions."""

    def __init__(self, folder: RunFolder, settings: ProbeSettings) -> None:
        config: RunConfig = folder.read_config()
        choice = choose_device(config)
        apply_device(choice)
        base = load_chosen_base(config.base_model, choice)
        self.dataset = load_saved_dataset(folder.data_dir)
        self.model = load_adapter(base, folder.adapter_dir)
        asked = replace(exam_settings(config), max_rows=settings.rows, seed=settings.seed)
        self.examiner = Examiner(base, self.model, asked)
        self.questions = [
            [example for _, example in exam_rows(self.dataset, task, self.examiner.settings)]
            for task in range(len(self.dataset.tasks))
        ]

    def knock_out(self, on_progress: OnProgress) -> dict[str, Any]:
        """Cells [task][skill]: the paired change, None for another task's private skill (it is never used)."""
        skills = self.model.adapter.skills()
        require_switchable(self.model.adapter)
        used = [[skill.task in (None, task) for skill in skills] for task in range(len(self.questions))]
        steps = Steps(on_progress, len(self.questions) + sum(map(sum, used)))
        own = [steps.after(self.answers(task, task)) for task in range(len(self.questions))]
        cells: list[list[dict[str, Any] | None]] = [[None] * len(skills) for _ in self.questions]
        for column in range(len(skills)):
            with switched_off(self.model.adapter, skills, column):
                for task in range(len(self.questions)):
                    if used[task][column]:
                        without = steps.after(self.answers(task, task))
                        cells[task][column] = self._change(task, own[task], without)
        return {**self._head(KNOCK_OUT, own), "columns": [skill.name for skill in skills], "cells": cells}

    def transfer(self, on_progress: OnProgress) -> dict[str, Any]:
        """Cells [task][row of task]: the paired change when task j is answered with the row of task i."""
        count = len(self.questions)
        steps = Steps(on_progress, count * count)
        own = [steps.after(self.answers(task, task)) for task in range(count)]

        def cell(task: int, row: int) -> dict[str, Any]:
            return self._change(task, own[task], own[task] if row == task else steps.after(self.answers(task, row)))

        cells = [[cell(task, row) for row in range(count)] for task in range(count)]
        return {**self._head("transfer", own), "columns": self.dataset.names(), "cells": cells}

    def answers(self, task: int, row: int) -> list[str]:
        """Answers to the questions of `task` with the allocation row of task `row`, in their order."""
        prompts = [example.prompt for example in self.questions[task]]
        longest = self.examiner.answer_length(self.dataset, task)
        order = sorted(range(len(prompts)), key=lambda place: -len(prompts[place]))
        size, found = self.examiner.settings.batch_size, [""] * len(prompts)
        for start in range(0, len(order), size):
            places = order[start : start + size]
            texts = self.examiner.answer([prompts[place] for place in places], row, TUNED, longest)
            for place, text in zip(places, texts, strict=True):
                found[place] = text
        return found

    def _change(self, task: int, before: list[str], after: list[str]) -> dict[str, Any]:
        metric = self.dataset.tasks[task].metric
        return compare(metric, before, after, self._targets(task)).as_dict()

    def _head(self, kind: str, own: list[list[str]]) -> dict[str, Any]:
        scores = [
            score(spec.metric, own[task], self._targets(task)).as_dict()
            for task, spec in enumerate(self.dataset.tasks)
        ]
        metrics = [spec.metric for spec in self.dataset.tasks]
        return {"kind": kind, "tasks": self.dataset.names(), "metrics": metrics, "scores": scores}

    def _targets(self, task: int) -> list[str]:
        return [example.target for example in self.questions[task]]


class Steps:
    """Counts rounds of questions."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress, self._total, self._done = on_progress, total, 0

    def after(self, answers: list[str]) -> list[str]:
        self._done += 1
        self._on_progress(self._done, self._total)
        return answers


def require_switchable(adapter: Adapter) -> None:
    """Raises RunError for methods whose skills are not rows of a bank, or that have a single one."""
    if not hasattr(adapter, "bank") or len(adapter.skills()) < 2:
        raise RunError("insight.no_knock_out", method=adapter.method)


@contextmanager
def switched_off(adapter: Adapter, skills: list[Skill], column: int) -> Iterator[None]:
    """Inside, one skill contributes nothing. Every skill is one row of the bank's parameters."""
    bank: Any = adapter.bank
    owner = skills[column].task
    if owner is None:
        rows, place = bank.common, [s for s in skills if s.task is None].index(skills[column])
    else:
        rows, place = bank.private[owner], [s for s in skills if s.task == owner].index(skills[column])
    kept = rows.detach()[place].clone()
    with torch.no_grad():
        rows[place] = 0.0
    try:
        yield
    finally:
        with torch.no_grad():
            rows[place] = kept

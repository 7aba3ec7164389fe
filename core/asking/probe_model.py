"""Causal questions to a trained run, answered by asking it again. Needs torch; `probe_table.py` reads the outcome.

Knock-out: the exam without one skill. Its factors are set to zero, the other skills keep their weights, so the
change of the score is what this skill contributed. Transfer: the exam of task j answered with the allocation row
of task i. Every change is a paired difference on the same questions, with its 95 % bootstrap interval.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.adapters.base import Adapter
from core.asking.trained import load_trained, require_adapter
from core.base.errors import RunError
from core.base.files import write_json_atomic
from core.base.lines import append_records, read_records
from core.evaluation.exam import TUNED, Examiner, exam_rows
from core.evaluation.metrics import compare, score
from core.insight.probe_table import KNOCK_OUT, ProbeSettings, probe_path
from core.models.building import WEIGHTS
from core.runs.folder import RunFolder
from core.tasks.dataset import TaskDataset, load_saved_dataset
from core.training.examining import exam_settings

OnProgress = Callable[[int, int], None]  # (rounds of questions so far, rounds in all)
Answers = list[str]


def run_probe(run_dir: Path, kind: str, settings: ProbeSettings, on_progress: OnProgress) -> dict[str, Any]:
    """Knock-out or transfer of a run; writes <run>/probes/<kind>.json and returns it. What was answered before an
    interruption is not asked again.

    Raises:
        RunError: no trained adapter, or a method whose skills cannot be switched off.
        ModelError: base model or adapter cannot be loaded.
    """
    folder = RunFolder(run_dir)
    require_adapter(folder)
    path = probe_path(run_dir, kind)
    path.parent.mkdir(exist_ok=True)
    trained = (folder.adapter_dir / WEIGHTS).stat().st_mtime_ns
    rounds = Rounds(path.with_suffix(".part"), {**asdict(settings), "kind": kind, "trained": trained}, on_progress)
    prober = Prober(folder, settings)
    outcome = prober.knock_out(rounds) if kind == KNOCK_OUT else prober.transfer(rounds)
    write_json_atomic(path, outcome)
    rounds.discard()
    return outcome


class Prober:
    """A loaded run that answers its exam under other conditions."""

    def __init__(self, folder: RunFolder, settings: ProbeSettings) -> None:
        trained = load_trained(folder)
        self.dataset = load_saved_dataset(folder.data_dir)
        self.model = trained.model
        asked = replace(exam_settings(trained.config), max_rows=settings.rows, seed=settings.seed)
        self.examiner = Examiner(trained.base, self.model, asked)
        self.questions = [
            [example for _, example in exam_rows(self.dataset, task, self.examiner.settings)]
            for task in range(len(self.dataset.tasks))
        ]

    def knock_out(self, rounds: Rounds) -> dict[str, Any]:
        """Cells [task][skill]: the paired change, None for another task's private skill (it is never used)."""
        skills = self.model.adapter.skills()
        require_switchable(self.model.adapter)
        tasks = range(len(self.questions))
        used = [[skill.task in (None, task) for skill in skills] for task in tasks]
        rounds.total = len(tasks) + sum(map(sum, used))
        own = [rounds.after(f"{task}", partial(self.answers, task, task)) for task in tasks]
        cells: list[list[dict[str, Any] | None]] = [[None] * len(skills) for _ in tasks]
        for column in range(len(skills)):
            with self.model.adapter.switch_off(column):
                for task in tasks:
                    if used[task][column]:
                        without = rounds.after(f"{task} without {column}", partial(self.answers, task, task))
                        cells[task][column] = self._change(task, own[task], without)
        return {**self._head(KNOCK_OUT, own), "columns": [skill.name for skill in skills], "cells": cells}

    def transfer(self, rounds: Rounds) -> dict[str, Any]:
        """Cells [task][row of task]: the paired change when task j is answered with the row of task i."""
        count = len(self.questions)
        rounds.total = count * count
        own = [rounds.after(f"{task}", partial(self.answers, task, task)) for task in range(count)]

        def cell(task: int, row: int) -> dict[str, Any]:
            if row == task:
                return self._change(task, own[task], own[task])
            return self._change(task, own[task], rounds.after(f"{task} as {row}", partial(self.answers, task, row)))

        cells = [[cell(task, row) for row in range(count)] for task in range(count)]
        return {**self._head("transfer", own), "columns": self.dataset.names(), "cells": cells}

    def answers(self, task: int, row: int) -> list[str]:
        """Answers to the questions of `task` with the allocation row of task `row`, in their order."""
        prompts = [example.prompt for example in self.questions[task]]
        found = [""] * len(prompts)
        for places, texts in self.examiner.answer_all(self.dataset, task, prompts, TUNED, row):
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


class Rounds:
    """Rounds of questions, counted and kept: a file of {name, answers} lines under the rules they were asked by.

    Args:
        rules: what the answers depend on; a file with other rules is thrown away.
    """

    def __init__(self, path: Path, rules: dict[str, Any], on_progress: OnProgress) -> None:
        self._path, self._on_progress, self.total, self._done = path, on_progress, 0, 0
        self._known: dict[str, Answers] = {}
        found = read_records(path)
        if found and found[0] == rules:
            self._known = {record["name"]: record["answers"] for record in found[1:]}
        else:
            path.write_text(json.dumps(rules) + "\n", encoding="utf-8")

    def after(self, name: str, ask: Callable[[], Answers]) -> Answers:
        """The answers of a round, from the file when they are there."""
        if name not in self._known:
            self._known[name] = ask()
            append_records(self._path, [{"name": name, "answers": self._known[name]}])
        self._done += 1
        self._on_progress(self._done, self.total)
        return self._known[name]

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)


def answer_rows(
    folder: RunFolder, dataset: TaskDataset, wanted: dict[int, list[int]], unseen: bool = False
) -> dict[int, dict[tuple[int, str], str]]:
    """A run answers exam rows of tasks of `dataset`: task -> {(row, right answer): answer}.

    With `unseen` the run was never trained on them: they are answered with the mean of its tasks' rows and an empty
    private skill.
    """
    trained = load_trained(folder)
    model = trained.model
    stranger = model.add_task("unseen") if unseen else None
    model.eval()
    examiner = Examiner(trained.base, model, exam_settings(trained.config))
    found: dict[int, dict[tuple[int, str], str]] = {}
    for task, rows in wanted.items():
        asked = [(row, dataset.split(task, "test")[row]) for row in rows]
        answers = [""] * len(asked)
        for places, texts in examiner.answer_all(dataset, task, [e.prompt for _, e in asked], TUNED, stranger):
            for place, text in zip(places, texts, strict=True):
                answers[place] = text
        found[task] = {(row, e.target): text for (row, e), text in zip(asked, answers, strict=True)}
    return found


def require_switchable(adapter: Adapter) -> None:
    """Raises RunError for methods whose skills cannot be switched off one by one, or that have a single one."""
    if not adapter.can_switch_off or len(adapter.skills()) < 2:
        raise RunError("insight.no_knock_out", method=adapter.method)

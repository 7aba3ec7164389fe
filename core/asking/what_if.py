"""What if a task mixed its skills otherwise: a question and check rows answered before and after. Needs torch.

Check rows, not exam rows: who turns a slider until the number is good has used the rows up, and the exam must not
be among them. A change that is kept becomes a run of its own, which then sits the exam.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from typing import Any

from core.adapters.task_change import TaskChange
from core.asking.trained import load_trained, require_adapter
from core.base.errors import RunError, require_between
from core.base.files import new_id, write_json_atomic
from core.base.folders import whole_folder
from core.evaluation.exam import TUNED, Examiner
from core.evaluation.metrics import compare, score, values_of_rows
from core.models.building import save_adapter
from core.runs.folder import RunFolder
from core.runs.skill_names import own_name, read_names
from core.runs.states import SUCCEEDED
from core.tasks.dataset import Example, load_saved_dataset
from core.training.examining import exam_settings

ROWS, MOST_ROWS = 30, 500
MOST_SHOWN = 6


@dataclass(frozen=True)
class Asked:
    """`row_of`: name of the task whose row is used; `scale`: skill name -> factor, `private` is the task's own."""

    task: str
    row_of: str | None = None
    scale: dict[str, float] | None = None
    prompt: str | None = None
    rows: int = ROWS

    def __post_init__(self) -> None:
        require_between("rows", self.rows, 0, MOST_ROWS)


class WhatIf:
    """A loaded run, one task of it changed."""

    def __init__(self, folder: RunFolder) -> None:
        require_adapter(folder)
        self.folder, self.dataset = folder, load_saved_dataset(folder.data_dir)
        trained = load_trained(folder)
        self.model = trained.model
        self.model.eval()
        self.examiner = Examiner(trained.base, self.model, replace(exam_settings(trained.config), with_base=False))

    def ask(self, asked: Asked) -> dict[str, Any]:
        """{task, rows, before, after, difference, question, changed}: scores 0..1 with intervals, the paired
        difference, the answers to the question, and check rows whose answers changed. The model stays changed.

        Raises:
            RunError: no such task or skill. ModelError: the method cannot be changed for one task.
        """
        task = self._index(asked.task)
        change = self._change(task, asked)
        rows = self.dataset.split(task, "validation")[: asked.rows]
        metric = self.dataset.tasks[task].metric
        targets = [row.target for row in rows]
        first, said_first = self._answers(task, rows, asked.prompt)
        self.model.adapter.change_task(task, change)
        second, said_second = self._answers(task, rows, asked.prompt)
        found: dict[str, Any] = {"task": asked.task, "rows": len(rows), "metric": metric, "question": None}
        if asked.prompt is not None:
            found["question"] = {"before": said_first, "after": said_second}
        if rows:
            found["before"] = score(metric, first, targets).as_dict()
            found["after"] = score(metric, second, targets).as_dict()
            found["difference"] = compare(metric, first, second, targets).as_dict()
        found["changed"] = _changed(metric, rows, first, second)
        return found

    def keep(self, name: str, asked: Asked) -> str:
        """Writes the changed model as a finished run without an exam, and returns its id."""
        run_id = new_id("r")
        with whole_folder(self.folder.path.with_name(run_id)) as building:
            folder = RunFolder(building)
            shutil.copytree(self.folder.path, building, ignore=_left_behind(self.folder), dirs_exist_ok=True)
            save_adapter(self.model, folder.adapter_dir)
            write_json_atomic(folder.allocation_path, self.model.allocation_table())
            self._write_run(folder, run_id, name, asked)
        return run_id

    def _write_run(self, folder: RunFolder, run_id: str, name: str, asked: Asked) -> None:
        now = time.time()
        change = {"task": asked.task, "row_of": asked.row_of, "scale": asked.scale or {}}
        own = {"run_id": run_id, "name": name, "created": now, "part_of": None}
        folder.write_run({**self.folder.read_run(), **own, "varied_from": self.folder.run_id, "change": change})
        files = [*folder.adapter_dir.glob("*"), folder.allocation_path]
        sizes = {str(path.relative_to(folder.path)): path.stat().st_size for path in files}
        done = {"state": SUCCEEDED, "ended": now, "failure": None, "stopped_early": False, "files": sizes}
        folder.write_done(done)

    def _index(self, task: str) -> int:
        if task not in self.dataset.names():
            raise RunError("insight.no_task", task=task, known=", ".join(self.dataset.names()))
        return self.dataset.names().index(task)

    def _change(self, task: int, asked: Asked) -> TaskChange:
        skills, scale = self.model.adapter.skills(), dict[int, float]()
        names = read_names(self.folder.path)
        for given, factor in (asked.scale or {}).items():
            name = own_name(names, given)
            columns = [
                i
                for i, skill in enumerate(skills)
                if (skill.name == name and skill.task in (None, task)) or (name == "private" and skill.task == task)
            ]
            if not columns:
                known = [skill.name for skill in skills if skill.task in (None, task)]
                raise RunError("insight.no_skill", skill=name, known=", ".join([*known, "private"]))
            scale |= dict.fromkeys(columns, factor)
        return TaskChange(None if asked.row_of is None else self._index(asked.row_of), scale)

    def _answers(self, task: int, rows: list[Example], prompt: str | None) -> tuple[list[str], str]:
        """Answers to the rows, and to the question."""
        prompts = [row.prompt for row in rows] + ([] if prompt is None else [prompt])
        found = [""] * len(prompts)
        for places, texts in self.examiner.answer_all(self.dataset, task, prompts, TUNED):
            for place, text in zip(places, texts, strict=True):
                found[place] = text
        return found[: len(rows)], found[-1] if prompt is not None else ""


def _changed(metric: str, rows: list[Example], before: list[str], after: list[str]) -> list[dict[str, Any]]:
    """Rows whose answers differ, those that became worse first."""
    targets = [row.target for row in rows]
    first, second = (values_of_rows(metric, answers, targets) for answers in (before, after))
    found: list[dict[str, Any]] = [
        {"prompt": row.prompt, "target": row.target, "before": old, "after": new, "change": second[i] - first[i]}
        for i, (row, old, new) in enumerate(zip(rows, before, after, strict=True))
        if old != new
    ]
    return sorted(found, key=lambda row: float(row["change"]))[:MOST_SHOWN]


def _left_behind(source: RunFolder) -> Any:
    return shutil.ignore_patterns(*(path.name for path in source.of_this_model))

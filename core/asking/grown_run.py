"""Writing a run that has one task more than the run it came from. Needs torch (it saves an adapter)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.files import new_id, write_json_atomic
from core.base.folders import whole_folder
from core.base.lines import append_records
from core.evaluation.certainty import Certainty, read_certainties, write_certainties
from core.evaluation.choosing import Given
from core.evaluation.results import build_results
from core.models.building import save_adapter
from core.models.modular import ModularModel
from core.runs.folder import RunFolder
from core.runs.states import SUCCEEDED
from core.tasks.dataset import Example, TaskDataset, save_dataset
from core.tasks.spec import TaskSpec


@dataclass(frozen=True)
class GrownRun:
    """The model that knows the new task, the data of the old tasks and of the new one, which is the last, its exam
    with the answers, and how far the likelihoods of its labels can be believed, where it has some."""

    model: ModularModel
    dataset: TaskDataset
    questions: list[Example]
    given: list[Given]
    certainty: Certainty | None = None

    @property
    def spec(self) -> TaskSpec:
        return self.dataset.tasks[-1]


def write_grown_run(source: RunFolder, grown: GrownRun) -> Path:
    """A finished run beside the old one. The old tasks' answers are still true, so their exam is taken over."""
    run_id = new_id("r")
    place = source.path.with_name(run_id)
    with whole_folder(place) as building:
        folder = RunFolder(building)
        shutil.copytree(source.path, building, ignore=_left_behind(source), dirs_exist_ok=True)
        save_dataset(grown.dataset, folder.data_dir)
        save_adapter(grown.model, folder.adapter_dir)
        write_json_atomic(folder.allocation_path, grown.model.allocation_table())
        folder.predictions_dir.mkdir(exist_ok=True)
        append_records(folder.answers_path(len(grown.dataset.tasks) - 1), _answers(grown))
        write_json_atomic(folder.results_path, build_results(grown.dataset, folder.predictions_dir))
        if grown.certainty is not None:
            known = read_certainties(source.certainty_path) or {}
            write_certainties(folder.certainty_path, {**known, grown.spec.task_id: grown.certainty})
        _write_run(folder, source, run_id, grown)
    return place


def join_task(dataset: TaskDataset, new: TaskDataset, rows: list[Example]) -> TaskDataset:
    """The data of a run with the single task of `new` as its last one, practised on `rows` only."""
    index = len(dataset.tasks)
    examples = dict(dataset.examples)
    examples |= {(index, split): new.split(0, split) for split in ("validation", "test")}
    examples[(index, "train")] = rows
    return TaskDataset((*dataset.tasks, new.tasks[0]), examples)


def _answers(grown: GrownRun) -> Iterator[dict[str, Any]]:
    for row, (question, one) in enumerate(zip(grown.questions, grown.given, strict=True)):
        asked = {"row": row, "line": question.line, "prompt": question.prompt, "target": question.target}
        sure = {} if one.certainty is None else {"tuned_sure": one.certainty}
        yield {**asked, "tuned": one.text, **sure}


def _left_behind(source: RunFolder) -> Callable[[str, list[str]], set[str]]:
    """The old tasks answer as before: their exam and how sure they are stay true. A router knows no new one."""
    kept = (source.predictions_dir, source.results_path, source.certainty_path)
    left = [path for path in source.of_this_model if path not in kept]
    return shutil.ignore_patterns(*(path.name for path in (*left, source.router_path)))


def _write_run(folder: RunFolder, source: RunFolder, run_id: str, grown: GrownRun) -> None:
    run, spec, now = source.read_run(), grown.spec, time.time()
    run["tasks"].append(
        {
            "index": len(run["tasks"]),
            "task_id": spec.task_id,
            "name": spec.name,
            "kind": spec.kind,
            "metric": spec.metric,
            "num_train": len(grown.dataset.split(len(grown.dataset.tasks) - 1, "train")),
            "num_validation": spec.num_validation,
            "num_test": spec.num_test,
        }
    )
    name = f"{run['name']} + {spec.name}"[:80]
    own = {"run_id": run_id, "name": name, "created": now, "grown_from": source.run_id, "part_of": None}
    folder.write_run({**run, **own})
    files = [*folder.adapter_dir.glob("*"), folder.allocation_path, folder.results_path]
    sizes = {str(path.relative_to(folder.path)): path.stat().st_size for path in files}
    done = {"state": SUCCEEDED, "ended": now, "failure": None, "stopped_early": False, "files": sizes}
    folder.write_done(done)

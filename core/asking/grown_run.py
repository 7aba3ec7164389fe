"""Writing a run that has one task more than the run it came from. Needs torch (it saves an adapter)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.base.files import new_id, write_json_atomic
from core.base.folders import whole_folder
from core.base.lines import append_records
from core.evaluation.results import build_results
from core.models.building import save_adapter
from core.models.modular import ModularModel
from core.runs.folder import RunFolder
from core.runs.states import SUCCEEDED
from core.tasks.dataset import Example, TaskDataset, save_dataset


@dataclass(frozen=True)
class GrownRun:
    """The model that knows the new task, old tasks and the new one, the rows it learned, and its exam."""

    model: ModularModel
    dataset: TaskDataset
    new: TaskDataset
    rows: list[Example]
    questions: list[Example]
    texts: list[str]


def write_grown_run(source: RunFolder, grown: GrownRun) -> Path:
    """A finished run beside the old one. The old tasks' answers are still true, so their exam is taken over."""
    run_id = new_id("r")
    place = source.path.with_name(run_id)
    with whole_folder(place) as building:
        folder = RunFolder(building)
        shutil.copytree(source.path, building, ignore=_left_behind(source), dirs_exist_ok=True)
        dataset = _joined(grown)
        save_dataset(dataset, folder.data_dir)
        save_adapter(grown.model, folder.adapter_dir)
        write_json_atomic(folder.allocation_path, grown.model.allocation_table())
        folder.predictions_dir.mkdir(exist_ok=True)
        index = len(dataset.tasks) - 1
        answers = (
            {"row": row, "line": q.line, "prompt": q.prompt, "target": q.target, "tuned": text}
            for row, (q, text) in enumerate(zip(grown.questions, grown.texts, strict=True))
        )
        append_records(folder.answers_path(index), answers)
        write_json_atomic(folder.results_path, build_results(dataset, folder.predictions_dir))
        _write_run(folder, source, run_id, grown)
    return place


def _left_behind(source: RunFolder) -> Callable[[str, list[str]], set[str]]:
    """What was measured of the old model, or belongs to its worker, is no truth about the new one."""
    old_model = (source.adapter_dir, source.checkpoints_dir, source.contributions_path, source.flags_path)
    old_history = (source.allocation_history_path, source.snapshots_path, source.events_path, source.done_path)
    paths = (*old_model, *old_history, source.probes_dir, source.jobs_dir, *source.worker_paths)
    return shutil.ignore_patterns(*(path.name for path in paths))


def _joined(grown: GrownRun) -> TaskDataset:
    index = len(grown.dataset.tasks)
    examples = dict(grown.dataset.examples)
    examples |= {(index, split): grown.new.split(0, split) for split in ("validation", "test")}
    examples[(index, "train")] = grown.rows
    return TaskDataset((*grown.dataset.tasks, grown.new.tasks[0]), examples)


def _write_run(folder: RunFolder, source: RunFolder, run_id: str, grown: GrownRun) -> None:
    run, spec, now = source.read_run(), grown.new.tasks[0], time.time()
    run["tasks"].append(
        {
            "index": len(run["tasks"]),
            "task_id": spec.task_id,
            "name": spec.name,
            "kind": spec.kind,
            "metric": spec.metric,
            "num_train": len(grown.rows),
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

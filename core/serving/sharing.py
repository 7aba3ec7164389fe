"""Exports of a run as folders that can be handed on: the weights, checked after reloading, and a model card.

Nothing of the training rows leaves with an export; a whole run takes the tasks' descriptions along, not their rows.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from core.errors import RunError
from core.files import write_text_atomic
from core.runs.folder import RunFolder
from core.serving.card import LORA, WHOLE_RUN, CardRequest, build_card
from core.serving.export import ExportReport, build_probe, export_folder, export_lora, export_merged
from core.serving.loading import LoadedRun, RunShelf
from core.tasks.dataset import load_saved_dataset

PROBE_ROWS = 4
_RUN_FILES = ("run.json", "config.yaml", "allocation.json", "results.json", "record.json", "status.json", "DONE")


@dataclass(frozen=True)
class Export:
    """One exported folder. `difference` is the largest relative difference of logits after reloading."""

    task: str | None
    folder: Path
    rank: int | None
    difference: float


def export_run(
    run_dir: Path, kind: str, target: Path, tasks: list[str] | None, language: str = "en"
) -> list[Export]:
    """Exports tasks of a run (all when None) below `target`, one folder a task; a whole run into `target` itself.

    Raises:
        RunError: no trained adapter, an unknown task, the target is in use, or a reloaded export differs.
        ModelError: the method cannot become this kind of export.
    """
    if target.exists() and any(target.iterdir()):
        raise RunError("serving.target_used", folder=str(target))
    run = RunShelf().get(str(run_dir))
    if kind == WHOLE_RUN:
        return [_export_whole(run, target, language)]
    names = tasks or [task.name for task in run.tasks]
    indices = [run.task_index(name) for name in names]
    return [_export_task(run, kind, index, target, language) for index in indices]


def _export_task(run: LoadedRun, kind: str, index: int, target: Path, language: str) -> Export:
    task = run.tasks[index]
    folder = target / task.task_id
    rows = load_saved_dataset(run.folder.data_dir).split(index, "train")[:PROBE_ROWS]
    probe = build_probe(run.base, [row.prompt for row in rows])
    if kind == LORA:
        report: ExportReport = export_lora(run.model, index, folder, probe)
    else:
        report = export_merged(run.model, index, folder, run.tokenizer, probe)
    write_text_atomic(folder / "README.md", build_card(CardRequest(run.folder.path, kind, task.name, language)))
    return Export(task.name, folder, report.rank, report.difference)


def _export_whole(run: LoadedRun, target: Path, language: str) -> Export:
    """A run folder that another workbench can answer with: everything but rows, checkpoints and logs."""
    source = RunFolder(run.folder.path)
    copy = RunFolder(target)
    copy.data_dir.mkdir(parents=True)
    export_folder(run.model, copy.adapter_dir)
    for name in _RUN_FILES:
        if (source.path / name).is_file():
            shutil.copyfile(source.path / name, target / name)
    shutil.copyfile(source.data_dir / "tasks.json", copy.data_dir / "tasks.json")
    RunShelf().get(str(target))  # it must load before it is offered
    write_text_atomic(target / "README.md", build_card(CardRequest(source.path, WHOLE_RUN, None, language)))
    return Export(None, target, None, 0.0)

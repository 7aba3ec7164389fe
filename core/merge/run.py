"""Merging trained tasks into a run of their own: one shared LoRA that is examined and used like any run. Torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from core.adapters.base import LoraFactors
from core.adapters.registry import METHODS
from core.base.errors import RunError
from core.base.files import new_id, write_json_atomic
from core.base.folders import whole_folder
from core.base.settings import settings_to_dict
from core.evaluation.exam import Examiner
from core.evaluation.forgetting import write_forgetting
from core.evaluation.results import build_results
from core.merge.arithmetic import Merged, describe_changes, gram_matrix, merge_loras
from core.merge.library import LIBRARY, build_library, expert_names, gather_library, note_choices
from core.merge.table import ARROW, MergeSettings, read_merge
from core.models.building import build_modular, load_adapter, save_adapter
from core.models.forward import share_weights
from core.models.loading import LoadedBase, load_base
from core.models.modular import ModularModel
from core.runs.creation import fill_run
from core.runs.folder import RunFolder
from core.runs.states import SUCCEEDED
from core.tasks.dataset import Example, TaskDataset, load_saved_dataset
from core.tasks.spec import SPLITS, TaskSpec
from core.training.config import RunConfig, change_config
from core.training.device import apply_device, choose_device
from core.training.examining import exam_settings
from core.workspace import require_label

MERGED = next(info.name for info in METHODS if info.takes_lora)  # what holds a merge

OnProgress = Callable[[int, int], None]  # (exam answers so far, in all)


@dataclass(frozen=True)
class MergeRequest:
    """tasks: names to merge (None: all of the runs'). name of the new run. exam_rows as in a run's settings: rows a
    task, None for all, 0 for no exam."""

    settings: MergeSettings
    tasks: tuple[str, ...] | None = None
    name: str | None = None
    exam_rows: int | None = 200


@dataclass
class _Sources:
    """The chosen tasks of all runs, in order: description, rows, and change of the weights."""

    specs: list[TaskSpec]
    examples: dict[tuple[int, str], list[Example]]
    changes: list[LoraFactors]
    configs: list[RunConfig]


def merge_runs(folders: Sequence[RunFolder], request: MergeRequest, on_progress: OnProgress) -> Path:
    """Merges tasks of one or several runs on the same base model and writes a finished run beside the first.

    Raises:
        RunError: a run is not trained, the base models differ, a task is missing or named by two runs.
        ModelError: a method whose tasks cannot become LoRAs.
    """
    config = _require_same_base(folders)
    choice = choose_device(config)
    apply_device(choice)
    base = load_base(config.base_model, choice.dtype, choice.device)
    sources = _read_sources(folders, request, base)
    dataset = TaskDataset(tuple(sources.specs), sources.examples)
    make = _make_library if request.settings.way == ARROW else _make_merged
    return _write(folders, request, make(base, sources, dataset, request), on_progress)


def _make_merged(base: LoadedBase, sources: _Sources, dataset: TaskDataset, request: MergeRequest) -> _Result:
    merged = merge_loras(dataset.names(), sources.changes, request.settings)
    size = {"adapter.rank": merged.table.rank, "adapter.alpha": None}
    config = replace(_merged_config(sources.configs, MERGED, size), exam_rows=request.exam_rows)
    model = build_merged(base, config, merged, dataset.names())
    return _Result(config, base, model, dataset, merged)


def _make_library(base: LoadedBase, sources: _Sources, dataset: TaskDataset, request: MergeRequest) -> _Result:
    library, merged = gather_library(dataset.names(), sources.changes, request.settings)
    size = {"num_experts": len(library), "rank": merged.table.rank, "experts_a_token": request.settings.top}
    sized = {f"adapter.{name}": value for name, value in size.items()}
    config = replace(_merged_config(sources.configs, LIBRARY, sized), exam_rows=request.exam_rows)
    model = build_library(base, config, library, dataset.names())
    note_choices(base, model, dataset)
    return _Result(config, base, model, dataset, merged)


def read_likeness(
    folders: Sequence[RunFolder], tasks: tuple[str, ...] | None
) -> tuple[list[str], list[list[float]]]:
    """The tasks of some runs and the cosines [T, T] of their changes; a merge wrote them down.

    Raises:
        As `merge_runs`.
    """
    if len(folders) == 1 and tasks is None and folders[0].merge_path.is_file():
        table = read_merge(folders[0].path)
        return table.tasks, table.cosines
    settings = MergeSettings()
    sources = _read_sources(
        folders, MergeRequest(settings, tasks), load_base(_require_same_base(folders).base_model)
    )
    names = [spec.name for spec in sources.specs]
    return names, describe_changes(names, gram_matrix(sources.changes), settings, 1, 1.0).cosines


def _require_same_base(folders: Sequence[RunFolder]) -> RunConfig:
    for folder in folders:
        if not folder.adapter_dir.is_dir():
            raise RunError("serving.no_adapter", run=folder.run_id)
    names = list(dict.fromkeys(folder.read_config().base_model for folder in folders))
    if len(names) > 1:
        raise RunError("merge.other_base", names=", ".join(names))
    return folders[0].read_config()


def _read_sources(folders: Sequence[RunFolder], request: MergeRequest, base: LoadedBase) -> _Sources:
    sources = _Sources([], {}, [], [])
    for folder in folders:
        dataset = load_saved_dataset(folder.data_dir)
        chosen = [i for i, spec in enumerate(dataset.tasks) if request.tasks is None or spec.name in request.tasks]
        if not chosen:
            continue
        sources.configs.append(folder.read_config())
        adapter = load_adapter(replace(base, model=share_weights(base.model)), folder.adapter_dir).adapter
        for index in chosen:
            spec = dataset.tasks[index]
            if spec.name in [known.name for known in sources.specs]:
                raise RunError("merge.twice", task=spec.name)
            sources.examples |= {(len(sources.specs), split): dataset.split(index, split) for split in SPLITS}
            sources.specs.append(spec)
            sources.changes.append(
                {
                    name: (a.detach().cpu().clone(), b.detach().cpu().clone())
                    for name, (a, b) in adapter.lora_factors(index).items()
                }
            )
    known = [spec.name for spec in sources.specs]
    for name in request.tasks or ():
        if name not in known:
            raise RunError("insight.no_task", task=name, known=", ".join(known) or "-")
    return sources


def _merged_config(configs: Sequence[RunConfig], method: str, size: dict[str, Any]) -> RunConfig:
    """The first run's settings as an adapter whose layers are all those that any of the runs adapts."""
    settings = [settings_to_dict(c.adapter) for c in configs if c.adapter]
    shares = {values["upper_share"] for values in settings}
    modules = {values.get("target_modules", "all") for values in settings}
    return change_config(
        configs[0],
        {
            "method": method,
            "keep_apart": "",  # wishes about a training; a merge has none
            "bind_tasks": "",
            "freeze_skills": "",
            **size,
            "adapter.upper_share": max(shares, default=1.0),
            "adapter.target_modules": modules.pop() if len(modules) == 1 else "all",
        },
    )


@torch.no_grad()
def build_merged(base: LoadedBase, config: RunConfig, merged: Merged, tasks: list[str]) -> ModularModel:
    """The base model with the merged factors as its shared LoRA; layers that were not merged stay as they are."""
    model = build_modular(replace(base, model=share_weights(base.model)), MERGED, config.adapter, tasks)
    model.adapter.take_lora(merged.factors)
    model.eval()
    return model


@dataclass(frozen=True)
class _Result:
    config: RunConfig
    base: LoadedBase
    model: ModularModel
    dataset: TaskDataset
    merged: Merged


def _write(folders: Sequence[RunFolder], request: MergeRequest, result: _Result, on_progress: OnProgress) -> Path:
    """Everything into a hidden folder, the exam included, which then becomes the run: nothing half-made is seen."""
    run_id = new_id("r")
    place = folders[0].path.with_name(run_id)
    with whole_folder(place) as building:
        folder = RunFolder(building)
        way = result.merged.table.way
        label = require_label(request.name or f"{folders[0].read_run()['name']} · {way}"[:80])
        more = {"run_id": run_id, "merged_from": [source.run_id for source in folders], "merge": way}
        fill_run(folder, label, result.config, result.dataset, more)
        save_adapter(result.model, folder.adapter_dir)
        write_json_atomic(folder.allocation_path, result.model.allocation_table())
        if way == ARROW:
            write_json_atomic(folder.skill_names_path, expert_names(result.dataset.names()))
        write_json_atomic(folder.merge_path, result.merged.table.as_dict())
        if request.exam_rows != 0:
            examiner = Examiner(result.base, result.model, exam_settings(result.config))
            with torch.no_grad():
                examiner.choosing.note_certainties(result.dataset, folder.certainty_path)
                examiner.sit(result.dataset, folder.predictions_dir, on_progress)
            only_labels = examiner.settings.only_labels
            results = build_results(result.dataset, folder.predictions_dir, result.config.seed, only_labels)
            write_json_atomic(folder.results_path, results)
            if result.config.exam_general:
                write_forgetting(folder.forgetting_path, result.base, result.model)
        files = [*folder.adapter_dir.glob("*"), folder.allocation_path]
        sizes = {str(path.relative_to(folder.path)): path.stat().st_size for path in files}
        done = {"state": SUCCEEDED, "ended": time.time(), "failure": None, "stopped_early": False, "files": sizes}
        folder.write_done(done)
    return place

"""The exam of a trained run once more, with other rows or other rules. The old answers stay until the new ones are
all there; an exam that was interrupted goes on when it is asked for again with the same settings.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from core.base.files import write_json_atomic
from core.base.folders import replace_folder, restore_folder
from core.evaluation.exam import Examiner
from core.evaluation.forgetting import write_forgetting
from core.evaluation.results import build_results
from core.models.building import load_adapter
from core.tasks.dataset import load_saved_dataset
from core.training.config import RunConfig
from core.training.device import apply_device, choose_device, load_chosen_base
from core.training.examining import exam_settings
from core.training.reporting import Journal, RunPaths

_RULES = "rules.json"  # what the answers of an unfinished exam were given under


def examine_again(paths: RunPaths, config: RunConfig, journal: Journal) -> dict[str, Any]:
    """Sits the exam of a trained run once more, with the exam settings of `config`; returns the new results.

    Raises:
        ModelError: the adapter or its base model cannot be loaded.
    """
    restore_folder(paths.predictions_dir)
    settings = exam_settings(config)
    trained = paths.description_path.stat().st_mtime_ns
    building = _open_exam(paths.predictions_dir, {**asdict(settings), "batch_size": 0, "trained": trained})
    choice = choose_device(config)
    apply_device(choice)
    dataset = load_saved_dataset(paths.data_dir)
    base = load_chosen_base(config.base_model, choice)
    model = load_adapter(base, paths.adapter_dir)
    examiner = Examiner(base, model, settings)
    with torch.no_grad():
        examiner.choosing.note_certainties(dataset, paths.certainty_path)
        examiner.sit(dataset, building, lambda done, total: journal.event("exam", done=done, total=total))
    if config.exam_general:
        write_forgetting(paths.forgetting_path, base, model)
    results = build_results(dataset, building, config.seed, settings.only_labels)
    (building / _RULES).unlink()
    replace_folder(building, paths.predictions_dir)
    write_json_atomic(paths.results_path, results)
    return results


def with_exam(config: RunConfig, rows: int | None, with_base: bool, only_labels: bool | None = None) -> RunConfig:
    """The config with another exam; None leaves the rule about labels as the run had it."""
    labels = config.exam_only_labels if only_labels is None else only_labels
    return replace(config, exam_rows=rows, exam_base=with_base, exam_only_labels=labels)


def _open_exam(predictions_dir: Path, rules: dict[str, Any]) -> Path:
    """The folder of the new answers: that of an interrupted exam under the same rules, or an empty one."""
    folder = predictions_dir.with_name(f"{predictions_dir.name}.new")
    said = json.dumps(rules, sort_keys=True)
    if not ((folder / _RULES).is_file() and (folder / _RULES).read_text(encoding="utf-8") == said):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / _RULES).write_text(said, encoding="utf-8")
    return folder

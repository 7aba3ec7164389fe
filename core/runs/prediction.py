"""What is expected of a run before it starts: by formula at once, by a rehearsal when one was made for this plan.

It stays in the run's folder (prediction.json); `core/training/record.py` compares it with what happened.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from core.base.errors import ModelError, WorkspaceError
from core.base.files import read_json, write_json_atomic
from core.models.catalogue import find_model
from core.models.estimate import Plan, estimate, read_model_size
from core.models.processor import multiplies_bfloat16
from core.runs.device_lease import lease_device
from core.tasks.dataset import TaskDataset
from core.training.checks import CHARACTERS_A_TOKEN
from core.training.config import RunConfig, config_to_dict
from core.training.plan import RunPlan, plan_run

PROCESS_MB = 650  # Python with torch and transformers, before any model
PROGRAMS_MB = 400  # oneDNN's for products in bfloat16, of many shapes
UNSURE = 2.0  # the formulas of `core/models/estimate.py` are right within this factor
MEMORY_UNSURE = 1.3
KEPT = 20  # rehearsals a project remembers


@dataclass(frozen=True)
class FormulaEstimate:
    """Seconds of the training steps and megabytes of memory as (low, likely, high), megabytes of disk."""

    seconds: tuple[float, float, float]
    memory_mb: tuple[float, float, float]
    disk_mb: float

    def as_prediction(self) -> dict[str, Any]:
        """As prediction.json holds it; `covers` says what the seconds are about."""
        return {"source": "formula", "covers": "training", "seconds": self.seconds, "memory_mb": self.memory_mb}


def estimate_run(config: RunConfig, dataset: TaskDataset, plan: RunPlan | None = None) -> FormulaEstimate | None:
    """The formula's estimate, or None when the model's numbers are not on this machine."""
    try:
        local = find_model(config.base_model).local_path
        size = None if local is None else read_model_size(local)
    except ModelError:
        return None
    if size is None:
        return None
    plan = plan or plan_run(config, dataset)
    columns = config.adapter.cost(len(dataset.tasks))
    device = lease_device(config.device)
    dtype, products = _number_types(config.precision, device)
    cost = estimate(
        size,
        Plan(
            config.batch_size,
            _mean_tokens(config, dataset),
            plan.total_steps * config.accumulation,
            1,
            columns.total,
            columns.active,
            dtype,
            device,
            config.num_threads or psutil.cpu_count() or 1,
            products,
        ),
    )
    programs = PROGRAMS_MB if "bfloat16" in (dtype, products) and device == "cpu" else 0
    memory = cost.memory_bytes / 2**20 + PROCESS_MB + programs
    return FormulaEstimate(
        (cost.seconds / UNSURE, cost.seconds, cost.seconds * UNSURE),
        (memory / MEMORY_UNSURE, memory, memory * MEMORY_UNSURE),
        cost.adapter_bytes / 2**20 * (config.num_checkpoints + 1),
    )


def find_prediction(project_dir: Path, config: RunConfig, dataset: TaskDataset) -> dict[str, Any] | None:
    """The rehearsal that was made for exactly this plan, else the formula's estimate, else None."""
    return choose_prediction(project_dir, plan_key(config, dataset), estimate_run(config, dataset))


def choose_prediction(project_dir: Path, key: str, formula: FormulaEstimate | None) -> dict[str, Any] | None:
    """As `find_prediction`, for a plan whose key and estimate are known."""
    rehearsed = _read_rehearsals(project_dir).get(key)
    if rehearsed is not None:
        return dict(rehearsed)
    return None if formula is None else formula.as_prediction()


def remember_rehearsal(project_dir: Path, key: str, prediction: dict[str, Any]) -> None:
    """Keeps what a rehearsal found for the plan with this key; the oldest ones are forgotten."""
    known = {**_read_rehearsals(project_dir), key: {**prediction, "source": "rehearsal", "covers": "all"}}
    write_json_atomic(_rehearsals_path(project_dir), dict(list(known.items())[-KEPT:]))


def plan_key(config: RunConfig, dataset: TaskDataset) -> str:
    """The same for the same settings on the same tasks: what a rehearsal is valid for."""
    sizes = [[spec.task_id, spec.num_train, spec.num_validation, spec.num_test] for spec in dataset.tasks]
    values = {**config_to_dict(config), "seed": 0, "report_to": ""}
    return hashlib.sha256(json.dumps([values, sizes], sort_keys=True).encode()).hexdigest()[:20]


def _rehearsals_path(project_dir: Path) -> Path:
    return project_dir / "rehearsals.json"


def _read_rehearsals(project_dir: Path) -> dict[str, Any]:
    try:
        return dict(read_json(_rehearsals_path(project_dir)))
    except (OSError, WorkspaceError):  # none yet, or damaged: a rehearsal can be made again
        return {}


def _number_types(precision: str, device: str) -> tuple[str, str]:
    """(of the model, of its products) as `core.training.device` will choose them, found without torch. A card is
    taken for one that has bfloat16."""
    if precision == "float32":
        return "float32", "float32"
    if device.startswith("cuda"):
        return "bfloat16", "bfloat16"
    products = "bfloat16" if multiplies_bfloat16() else "float32"
    return ("bfloat16" if precision == "bfloat16" else "float32"), products


def _mean_tokens(config: RunConfig, dataset: TaskDataset) -> int:
    lengths = [
        min(config.max_tokens, (len(e.prompt) + len(e.target)) / CHARACTERS_A_TOKEN)
        for index in range(len(dataset.tasks))
        for e in dataset.split(index, "train")
    ]
    return max(1, round(sum(lengths) / max(1, len(lengths))))

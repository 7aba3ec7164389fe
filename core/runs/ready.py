"""The Ready card: everything that can be known before a run starts, and a rehearsal that measures the rest."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import psutil

from core.adapters.methods import METHODS
from core.errors import ModelError, Problem
from core.files import new_id, read_json
from core.models.catalogue import find_model
from core.models.estimate import Plan, estimate, read_model_size
from core.runs.creation import fill_run, require_ready
from core.runs.folder import RunFolder
from core.runs.launching import start_run
from core.runs.lease import lease_device, lease_holder
from core.tasks.dataset import TaskDataset
from core.training.checks import CHARACTERS_A_TOKEN, check_disk, check_run
from core.training.config import RunConfig
from core.training.plan import RunPlan, load_run_dataset, plan_run
from core.workspace import Project

PROCESS_MB = 650  # Python with torch and transformers, before any model
UNSURE = 2.0  # the formulas of `core/models/estimate.py` are right within this factor


@dataclass(frozen=True)
class ReadyReport:
    """Problems (severity "error" stops), and the run in numbers. Ranges are (low, high); None where unknown."""

    problems: list[Problem]
    steps: dict[str, int] = field(default_factory=dict)
    examples: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    passes: dict[str, float] = field(default_factory=dict)
    seconds: tuple[float, float] | None = None
    memory_mb: tuple[float, float] | None = None
    disk_mb: float | None = None
    device: str = "cpu"
    device_holder: dict[str, Any] | None = None

    @property
    def ready(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "problems": [p.as_dict() for p in self.problems], "ready": self.ready}


def ready_report(project: Project, config: RunConfig, task_names: list[str] | None = None) -> ReadyReport:
    """Checks data, lengths, model, memory, disk and device, and estimates time and memory by formula.

    Raises:
        WorkspaceError: an unknown task, or a project without tasks.
    """
    names = None if task_names is None else tuple(task_names)
    found = _measure(project, names, _stamp(project), config)
    device = lease_device(config.device)
    holder = lease_holder(project.path.parents[1], device)
    problems = [*found.problems, *check_disk(project.runs_dir)]
    if found.plan is None or any(p.severity == "error" for p in problems):
        return ReadyReport(problems, device=device, device_holder=holder)
    cost, plan = found.cost, found.plan
    seconds = memory = disk = None
    if cost is not None:
        seconds = (cost.seconds / UNSURE, cost.seconds * UNSURE)
        likely = cost.memory_bytes / 2**20 + PROCESS_MB
        memory = (likely / 1.3, likely * 1.3)
        disk = cost.adapter_bytes / 2**20 * (config.num_checkpoints + 1)
        problems += _check_memory(memory, device) + check_disk(project.runs_dir, disk)
    return ReadyReport(
        problems, {stage.name: stage.steps for stage in plan.stages}, plan.epoch_examples,
        dict(zip(found.names, plan.shares, strict=True)), dict(zip(found.names, plan.passes, strict=True)),
        seconds, memory, disk, device, holder,
    )


@dataclass(frozen=True)
class _Measured:
    """What follows from the rows and the settings alone."""

    names: tuple[str, ...]
    problems: tuple[Problem, ...]
    plan: RunPlan | None = None
    cost: Any = None


@lru_cache(maxsize=256)
def _measure(project: Project, task_names: tuple[str, ...] | None, stamp: str, config: RunConfig) -> _Measured:
    """Reads all rows, so the outcome is kept: a page asks after every click. `stamp` changes with the rows."""
    dataset = load_run_dataset(project, config, None if task_names is None else list(task_names))
    names, problems = tuple(dataset.names()), tuple(check_run(config, dataset))
    if any(p.severity == "error" for p in problems):
        return _Measured(names, problems)
    plan = plan_run(config, dataset)
    return _Measured(names, problems, plan, _cost(config, dataset, plan, lease_device(config.device)))


def _stamp(project: Project) -> str:
    """Changes whenever a task of the project does."""
    files = sorted(p for p in project.tasks_dir.glob("*/*") if p.suffix in (".json", ".jsonl"))
    return " ".join(f"{p.parent.name}/{p.name}:{p.stat().st_mtime_ns}" for p in files)


def start_rehearsal(project: Project, config: RunConfig, task_names: list[str] | None = None) -> RunFolder:
    """Starts a worker that rehearses the run (about twenty steps). Watch it with `run_state`, read it with
    `read_rehearsal`, and end it with `end_rehearsal`; it is in no list of runs.

    Raises:
        RunError: the run is not ready.
    """
    dataset = load_run_dataset(project, config, task_names)
    require_ready(config, dataset, project.runs_dir)
    for old in project.runs_dir.glob(".rehearsal-*"):
        if not RunFolder(old).is_alive():
            shutil.rmtree(old, ignore_errors=True)
    folder = RunFolder(project.runs_dir / new_id(".rehearsal-"))
    folder.path.mkdir(parents=True)
    fill_run(folder, "rehearsal", config, dataset, {"kind": "rehearsal"})
    start_run(folder)
    return folder


def read_rehearsal(folder: RunFolder) -> dict[str, Any] | None:
    """What the rehearsal found (see core.training.rehearsal.Prediction), or None while it goes on."""
    return dict(read_json(folder.prediction_path)) if folder.prediction_path.exists() else None


def end_rehearsal(folder: RunFolder, run: RunFolder | None = None) -> None:
    """Deletes a finished rehearsal; `run` takes its prediction over, to be compared with what happens."""
    if run is not None and folder.prediction_path.exists():
        shutil.copy(folder.prediction_path, run.prediction_path)
    shutil.rmtree(folder.path, ignore_errors=True)


def _cost(config: RunConfig, dataset: TaskDataset, plan: RunPlan, device: str) -> Any:
    """The formula's estimate, or None when the model's numbers are not on this machine."""
    try:
        local = find_model(config.base_model).local_path
        size = None if local is None else read_model_size(local)
    except ModelError:
        return None
    if size is None:
        return None
    skills, active, rank = _skills_of(config, len(dataset.tasks))
    dtype = "bfloat16" if config.precision == "bfloat16" else "float32"
    return estimate(size, Plan(
        config.batch_size, _mean_tokens(config, dataset), plan.total_steps * config.accumulation, rank, skills,
        active * rank, dtype, device, config.num_threads or psutil.cpu_count() or 1,
    ))


def _skills_of(config: RunConfig, num_tasks: int) -> tuple[int, int, int]:
    """(skills kept, skills used by an example, rank); a method without these settings counts as one skill."""
    adapter = config.adapter
    common, private = getattr(adapter, "num_common_skills", 1), getattr(adapter, "num_private_skills", 0)
    kept = common + private * num_tasks
    return kept, common + private, getattr(adapter, "rank", 1) if config.method in METHODS else 1


def _mean_tokens(config: RunConfig, dataset: TaskDataset) -> int:
    lengths = [
        min(config.max_tokens, (len(e.prompt) + len(e.target)) / CHARACTERS_A_TOKEN)
        for index in range(len(dataset.tasks)) for e in dataset.split(index, "train")
    ]
    return max(1, round(sum(lengths) / max(1, len(lengths))))


def _check_memory(memory: tuple[float, float], device: str) -> list[Problem]:
    free = psutil.virtual_memory().available / 2**20
    if device != "cpu" or memory[1] <= free:
        return []
    severity = "error" if memory[0] > free else "warning"
    values = {"needed": round(memory[1]), "free": round(free)}
    return [Problem("batch_size", "check.memory", values, severity)]

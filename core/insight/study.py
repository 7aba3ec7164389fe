"""Comparison studies: the same tasks, data and budget for several methods, seeds and amounts of practice rows.

    <project>/studies/<id>/study.json    the plan, and the run of every cell (arm x share of rows x seed)

A study is a list of ordinary runs, made one after the other here or all at once on another engine; what is done
stays done, so an interrupted study goes on where it was. `study_tables.py` reads the outcome. Torch-free.

Fairness. "rank": one example of every arm is computed with the same active rank (the reference arm's (A + B) r), so
that methods with private skills hold more numbers in all. "parameters": every arm holds about as many numbers as
the reference arm, so that baselines get a larger rank or more skills (the paper compares 3 + T adapters with 4).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from core.adapters.capacity import equal_active_rank, equal_numbers
from core.adapters.registry import METHODS
from core.adapters.settings.places import LinearConfig
from core.base.errors import RunError, SettingError
from core.base.files import new_id, read_json, write_json_atomic
from core.base.records import from_record
from core.base.settings import describe_settings
from core.insight.study_rows import limit_rows
from core.runs.creation import create_run
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.states import SUCCEEDED, RunStatus
from core.runs.together import OnStatuses, begin_here, count_due, run_together
from core.runs.where import Engine
from core.training.config import RunConfig, apply_assignments, change_config, config_from_dict, config_to_dict
from core.workspace import Project

RANK, PARAMETERS = "rank", "parameters"
SIZES = ("adapter.rank", "adapter.num_")  # settings that make an adapter larger or smaller
PLACES = tuple(info.name for info in describe_settings(LinearConfig))  # settings that say where adapters sit
POLL_S = 0.5
_STUDIES, _PLAN = "studies", "study.json"
OnStatus = Callable[["Cell", int, int, RunStatus], None]


@dataclass(frozen=True)
class Arm:
    """One way to train: a method with changed settings (`adapter.rank=4`), under a label for tables."""

    label: str
    method: str
    assignments: tuple[str, ...] = ()


# By method: what a comparison runs, and what takes the method apart.
STANDARD_ARMS = tuple(Arm(label, info.name, assignments) for info in METHODS for label, assignments in info.arms)
PART_ARMS = tuple(Arm(label, info.name, assignments) for info in METHODS for label, assignments in info.parts)


@dataclass(frozen=True)
class Cell:
    """One run of a study: arm by label, seed, share of the practice rows."""

    arm: str
    seed: int
    share: float
    run_id: str = ""


@dataclass(frozen=True)
class Study:
    """A plan and its runs. The first arm is the reference of fairness and of paired differences."""

    name: str
    config: RunConfig
    arms: tuple[Arm, ...] = STANDARD_ARMS
    seeds: tuple[int, ...] = (0, 1, 2)
    shares: tuple[float, ...] = (1.0,)
    fairness: str = RANK
    tasks: tuple[str, ...] | None = None
    cells: tuple[Cell, ...] = field(default=())
    frozen: dict[str, dict[str, Any]] = field(default_factory=dict)  # by arm its settings, once it has begun

    def __post_init__(self) -> None:
        labels = [arm.label for arm in self.arms]
        if len(set(labels)) < len(labels):
            raise SettingError("study.same_label", labels=", ".join(labels))
        if self.fairness not in (RANK, PARAMETERS):
            known = f"{RANK}, {PARAMETERS}"
            raise SettingError("registry.unknown", kind="fairness", name=self.fairness, known=known)
        for share in self.shares:
            if not 0 < share <= 1:
                raise SettingError("serving.bad_value", name="share", value=share, low=0, high=1)
        if not self.cells:
            cells = [Cell(arm, seed, share) for share in self.shares for seed in self.seeds for arm in labels]
            object.__setattr__(self, "cells", tuple(cells))

    def arm(self, label: str) -> Arm:
        return next(arm for arm in self.arms if arm.label == label)


def arms_of(method: str) -> tuple[Arm, ...]:
    """A method as it is, and taken apart: one thing changed in each arm.

    Raises:
        SettingError: no such method, or none that is taken apart.
    """
    if not METHODS.get(method).parts:
        known = ", ".join(info.name for info in METHODS if info.parts)
        raise SettingError("registry.unknown", kind="method that is taken apart", name=method, known=known)
    return tuple(arm for arm in (*STANDARD_ARMS, *PART_ARMS) if arm.method == method)


def parse_arm(text: str) -> Arm:
    """'cpoly', 'cpoly adapter.rank=4', or with a label: 'big C-Poly: cpoly adapter.rank=4'."""
    label, colon, rest = text.partition(":")
    words = (rest if colon else text).split()
    if not words:
        raise SettingError("study.empty_arm", text=text)
    METHODS.get(words[0])
    return Arm(label.strip() if colon else text.strip(), words[0], tuple(words[1:]))


def create_study(project: Project, study: Study) -> Path:
    """Writes the plan; returns the study's folder. Nothing runs yet."""
    folder = project.path / _STUDIES / new_id("s")
    folder.mkdir(parents=True)
    write_study(folder, study)
    return folder


def write_study(folder: Path, study: Study) -> None:
    write_json_atomic(folder / _PLAN, {**asdict(study), "config": config_to_dict(study.config)})


def read_study(folder: Path) -> Study:
    """The inverse of `write_study`."""
    record = read_json(folder / _PLAN)
    return from_record(Study, {**record, "config": config_from_dict(record["config"])}, folder / _PLAN)


def find_study(project: Project, name: str) -> Path | None:
    """The folder of the newest study with this name."""
    found = sorted((project.path / _STUDIES).glob(f"*/{_PLAN}"), reverse=True)
    return next((path.parent for path in found if read_json(path)["name"] == name), None)


def list_studies(project: Project) -> list[str]:
    """Names of a project's studies, newest first."""
    found = sorted((project.path / _STUDIES).glob(f"*/{_PLAN}"), reverse=True)
    return list(dict.fromkeys(str(read_json(path)["name"]) for path in found))


def run_study(project: Project, folder: Path, on_status: OnStatus) -> Study:
    """Makes every cell that is not done, one run at a time.

    Raises:
        RunError: a run failed or was cancelled; the study can be run again and goes on there.
    """
    study = _begun(project, folder)
    for index, cell in enumerate(study.cells):
        run = _start(project, folder, study, index)
        if run is None:
            continue
        study = _with_run(study, index, run.run_id)
        write_study(folder, study)
        status = _follow(run, partial(on_status, cell, index + 1, len(study.cells)))
        if status.state != SUCCEEDED:
            raise RunError("command.run_ended", run=run.run_id, state=status.state)
    return study


def run_study_on(project: Project, folder: Path, engine: Engine, on_statuses: OnStatuses) -> Study:
    """Makes every cell that is not done, and hands all of them to another engine at once.

    Raises:
        RunError: as `run_study`, once all have ended.
    """
    study, runs = _begun(project, folder), []
    for index, cell in enumerate(study.cells):
        run = _find_run(project, cell)
        if run is None:
            run = _make_run(project, folder, study, index, is_far=True)
            study = _with_run(study, index, run.run_id)
            write_study(folder, study)
        runs.append(run)
    run_together(runs, engine, on_statuses)
    return study


def count_due_cells(project: Project, folder: Path) -> int:
    """How many runs `run_study_on` would start."""
    return count_due(_find_run(project, cell) for cell in read_study(folder).cells)


def cell_config(study: Study, cell: Cell, num_tasks: int) -> RunConfig:
    """The settings of a cell's run. The base model sits the exam once a share, in the first arm's first run."""
    kept = study.frozen.get(cell.arm)
    config = arm_config(study, study.arm(cell.arm), num_tasks) if kept is None else config_from_dict(kept)
    is_first = cell.arm == study.arms[0].label and cell.seed == study.seeds[0]
    return replace(config, seed=cell.seed, exam_base=is_first)


def arm_config(study: Study, arm: Arm, num_tasks: int) -> RunConfig:
    """An arm's settings: its method's own defaults, what the arm asks for, then the size that fairness gives it.

    A size that the arm names itself (`adapter.rank=4`) is kept; to leave a kind of skills out (`=0`) is no size.
    Methods without a rank keep their own size.
    """
    config = apply_assignments(_own_defaults(study.config, arm.method), list(arm.assignments))
    reference = study.arms[0]
    if arm == reference or any(text.startswith(SIZES) and not text.endswith("=0") for text in arm.assignments):
        return config
    start = apply_assignments(_own_defaults(study.config, reference.method), list(reference.assignments))
    try:
        if study.fairness == RANK:
            return replace(config, adapter=equal_active_rank(config.adapter, start.adapter, num_tasks))
        equal = equal_numbers(config.adapter, start.adapter, num_tasks)
        return change_config(config, {f"adapter.{name}": value for name, value in equal.items()})
    except SettingError as error:
        if error.key != "adapter.no_rank":
            raise
        return config


def _own_defaults(config: RunConfig, method: str) -> RunConfig:
    """`config` for a method. Its adapter's sizes are the method's own; where the adapters sit is taken over."""
    if method == config.method:
        return config
    changed = {
        f"adapter.{name}": value
        for name, value in asdict(config.adapter).items()
        if name in PLACES and value != getattr(type(config.adapter)(), name)
    }
    fresh = replace(config, method=method, adapter=METHODS.get(method).config_class())
    known = {f"adapter.{info.name}" for info in describe_settings(type(fresh.adapter))}
    return change_config(fresh, {name: value for name, value in changed.items() if name in known})


def _begun(project: Project, folder: Path) -> Study:
    """The study, with every arm's settings as they were when it began: a default that changes in between, or a
    task that comes, gives no later run of it other settings than the earlier ones have."""
    study = read_study(folder)
    if not study.frozen:
        num_tasks = _count_tasks(project, study)
        frozen = {arm.label: config_to_dict(arm_config(study, arm, num_tasks)) for arm in study.arms}
        study = replace(study, frozen=frozen)
        write_study(folder, study)
    return study


def _count_tasks(project: Project, study: Study) -> int:
    from core.tasks.store import list_tasks

    return max(1, len(study.tasks or list_tasks(project)))  # without a task the run is refused in words


def _start(project: Project, place: Path, study: Study, index: int) -> RunFolder | None:
    """The cell's run, at work here unless it is at work elsewhere already; None when it is done."""
    folder = _find_run(project, study.cells[index])
    if folder is None:
        folder = _make_run(project, place, study, index)
    return None if begin_here(folder).state == SUCCEEDED else folder


def _find_run(project: Project, cell: Cell) -> RunFolder | None:
    """The cell's run, unless it has ended without success."""
    folder = RunFolder(project.runs_dir / cell.run_id)
    if not cell.run_id or not folder.run_path.exists():
        return None
    status = run_state(folder)
    return None if status.is_terminal and status.state != SUCCEEDED else folder


def _make_run(project: Project, place: Path, study: Study, index: int, is_far: bool = False) -> RunFolder:
    cell = study.cells[index]
    tasks = list(study.tasks) if study.tasks else None
    config = cell_config(study, cell, _count_tasks(project, study))
    name = f"{study.name}: {cell.arm}, seed {cell.seed}" + (f", {cell.share:g}" if cell.share < 1 else "")
    folder = create_run(project, config, tasks, name[:80], f"study:{place.name}", is_far)
    if cell.share < 1:
        limit_rows(folder, cell.share, cell.seed)
    return folder


def _with_run(study: Study, index: int, run_id: str) -> Study:
    cells = list(study.cells)
    cells[index] = replace(cells[index], run_id=run_id)
    return replace(study, cells=tuple(cells))


def _follow(folder: RunFolder, on_status: Callable[[RunStatus], None]) -> RunStatus:
    while True:
        status = run_state(folder)
        on_status(status)
        if not status.is_live:
            return status
        time.sleep(POLL_S)

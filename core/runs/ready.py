"""The Ready card: everything that can be known before a run starts, and a rehearsal that measures the rest."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import psutil

from core.base.errors import Problem
from core.base.files import new_id, read_json
from core.evaluation.symptoms import foresee_symptoms
from core.runs.creation import OF_THIS_MACHINE, fill_run, require_ready
from core.runs.device_lease import holder_for, lease_device
from core.runs.folded_notes import fold_notes
from core.runs.folder import RunFolder
from core.runs.frozen import check_frozen
from core.runs.kept_rows import KeptRows, Names
from core.runs.launching import start_run
from core.runs.memory_limit import check_memory_limit
from core.runs.plan_fixes import PlanFix, Planned, is_doubtful, plan_fixes
from core.runs.prediction import FormulaEstimate, choose_prediction, estimate_run, plan_key, remember_rehearsal
from core.runs.where import HERE, Engine, check_engine
from core.tasks.dataset import TaskDataset
from core.tasks.enough import CONTRADICTING, FEW_EXAM, FEW_PRACTICE, LEAKY, UNSEEN
from core.tasks.store import list_damaged_tasks, list_tasks, read_doubts
from core.training.checks import check_disk, check_run, find_cap
from core.training.config import RunConfig
from core.training.plan import RunPlan, left_out_names, load_run_dataset, plan_run
from core.workspace import Project

LONG_S = 3 * 3600.0  # a training that a person should know of before


@dataclass(frozen=True)
class ReadyReport:
    """Problems (severity "error" stops), and the run in numbers. Ranges are (low, high); None where unknown.

    `source` says what time and memory are by: formula, experience (earlier runs here) or rehearsal. `fixes` holds
    the remedies of each problem, in the order of `problems`. `capped` is as `find_cap` says.
    """

    problems: list[Problem]
    steps: dict[str, int] = field(default_factory=dict)
    examples: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    passes: dict[str, float] = field(default_factory=dict)
    capped: dict[str, Any] = field(default_factory=dict)
    seconds: tuple[float, float] | None = None
    memory_mb: tuple[float, float] | None = None
    disk_mb: float | None = None
    device: str = "cpu"
    device_holder: dict[str, Any] | None = None
    source: str = ""
    fixes: list[tuple[PlanFix, ...]] = field(default_factory=list)

    @property
    def rehearsed(self) -> bool:
        """Time and memory were measured by a rehearsal of this very plan."""
        return self.source == "rehearsal"

    @property
    def doubtful(self) -> bool:
        """It can start, and should be looked at first."""
        return self.ready and is_doubtful(self.problems)

    @property
    def ready(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        told = [
            {**problem.as_dict(), "fixes": [fix.as_dict() for fix in fixes]}
            for problem, fixes in zip(self.problems, self.fixes, strict=True)
        ]
        values = {name: value for name, value in asdict(self).items() if name not in ("problems", "fixes")}
        return {
            "problems": told,
            **values,
            "ready": self.ready,
            "doubtful": self.doubtful,
            "rehearsed": self.rehearsed,
        }


def ready_report(
    project: Project, config: RunConfig, task_names: list[str] | None = None, engine: Engine = HERE
) -> ReadyReport:
    """Checks data, lengths, model, memory, disk and device, and says time and memory: as the rehearsal of this very
    plan measured them, else by formula. On another engine than this machine neither is known here; then neither is
    said, and neither stops it.

    Raises:
        WorkspaceError: an unknown task, or a project without tasks.
    """
    names, is_far = None if task_names is None else tuple(task_names), engine != HERE
    asked = (project, names, _stamp(project), config)
    found = _measure(*asked, is_far)
    device = "" if is_far else lease_device(config.device)
    holder = None if is_far else holder_for(project, device)
    unread = [*_unknown_tasks(project, config), *_damaged_tasks(project, task_names), *check_engine(engine, config)]
    problems = [*found.problems, *unread, *check_frozen(project.runs_dir, config), *check_disk(project.runs_dir)]
    report = ReadyReport(problems, device=device, device_holder=holder)
    if found.plan is None or not report.ready:
        return _with_fixes(report, found, asked)
    plan = found.plan
    shares, passes = (dict(zip(found.names, each, strict=True)) for each in (plan.shares, plan.passes))
    steps = {stage.name: stage.steps for stage in plan.stages}
    report = replace(report, steps=steps, examples=plan.epoch_examples, shares=shares, passes=passes)
    report = replace(report, capped=found.capped)
    expected = None if is_far else choose_prediction(project.path, found.key, found.cost)
    if expected is None:
        return _with_fixes(report, found, asked)
    (low, likely, high), (least, _, most) = expected["seconds"], expected["memory_mb"]
    memory = check_memory_limit(expected, config) or _check_memory((least, most), device)
    more = [*memory, *check_disk(project.runs_dir, found.cost.disk_mb if found.cost else 0.0), *_check_time(likely)]
    report = replace(
        report,
        problems=[*report.problems, *(p for p in more if p not in report.problems)],
        seconds=(low, high),
        memory_mb=(least, most),
        disk_mb=found.cost.disk_mb if found.cost else None,
        source=expected["source"],
    )
    return _with_fixes(report, found, asked)


_Asked = tuple[Project, Names, str, RunConfig]
_ROWS = KeptRows()
_STAKES: dict[tuple[Any, ...], tuple[Problem, ...]] = {}
MOST_STAKES = 64


@dataclass(frozen=True)
class _Measured:
    """What follows from the rows and the settings alone, without the rows."""

    names: tuple[str, ...]
    problems: tuple[Problem, ...]
    fixes: dict[int, tuple[PlanFix, ...]]  # of `problems` by their place
    plan: RunPlan | None = None
    cost: FormulaEstimate | None = None
    key: str = ""
    capped: dict[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=256)
def _measure(project: Project, task_names: Names, stamp: str, config: RunConfig, is_far: bool) -> _Measured:
    """Reads all rows, so the outcome is kept: a page asks after every click. `stamp` changes with the rows."""
    dataset = _ROWS.of(project, task_names, stamp, config)
    names = tuple(dataset.names())
    rows = (project.path, task_names, stamp, config.left_out_tasks, config.few_shot, config.seed)
    problems = (*check_run(config, dataset), *_open_doubts(project, dataset), *_stakes_of(rows, dataset))
    problems = fold_notes([p for p in problems if not is_far or p.key not in OF_THIS_MACHINE])
    if any(p.severity == "error" for p in problems):
        return _Measured(names, problems, _fixes_of(problems, Planned(config, dataset)))
    plan = plan_run(config, dataset)
    cost = estimate_run(config, dataset, plan)
    fixes, key = _fixes_of(problems, Planned(config, dataset, cost)), plan_key(config, dataset)
    return _Measured(names, problems, fixes, plan, cost, key, find_cap(config, dataset))


def _fixes_of(problems: tuple[Problem, ...], planned: Planned) -> dict[int, tuple[PlanFix, ...]]:
    return {place: plan_fixes(problem, planned) for place, problem in enumerate(problems)}


def _with_fixes(report: ReadyReport, found: _Measured, asked: _Asked) -> ReadyReport:
    """Those of `found` stand in front of the report's problems; their remedies are known."""
    fixes, others = list(found.fixes.values()), report.problems[len(found.problems) :]
    if others:
        planned = Planned(asked[-1], _ROWS.of(*asked), found.cost)
        fixes += [plan_fixes(problem, planned) for problem in others]
    return replace(report, fixes=fixes)


def _open_doubts(project: Project, dataset: TaskDataset) -> list[Problem]:
    """Files that may be meant otherwise: a run on the wrong reading is lost, and a click tells which is right."""
    found = []
    for spec in dataset.tasks:
        if doubts := read_doubts(project, spec.task_id):
            values = {"task": spec.name, "count": len(doubts)}
            found.append(Problem(spec.name, "check.open_doubt", values, "warning"))
    return found


def _stakes_of(rows: tuple[Any, ...], dataset: TaskDataset) -> tuple[Problem, ...]:
    """`_rows_at_stake`, kept for what changes rows: of a million they take seconds, and most clicks change none."""
    if rows not in _STAKES:
        if len(_STAKES) >= MOST_STAKES:
            _STAKES.clear()
        _STAKES[rows] = tuple(_rows_at_stake(dataset))
    return _STAKES[rows]


def _rows_at_stake(dataset: TaskDataset) -> list[Problem]:
    """Rows that will stand between every verdict and "ready", by the verdict's own bounds. Of a few rows, which are
    warned of anyway, a share says nothing."""
    found = []
    for place, spec in enumerate(dataset.tasks):
        practice, exam = dataset.split(place, "train"), dataset.split(place, "test")
        if len(practice) < FEW_PRACTICE or len(exam) < FEW_EXAM:
            continue
        seen = foresee_symptoms(spec, practice, exam)
        for name, share, bound in (
            ("leaky", seen.leaky, LEAKY),
            ("contradicting", seen.contradicting, CONTRADICTING),
            ("unseen", seen.unseen, UNSEEN),
        ):
            if share >= bound:
                values = {"task": spec.name, "share": f"{100 * share:.0f}", "labels": ", ".join(seen.unseen_labels)}
                found.append(Problem(spec.name, f"check.{name}", values, "warning"))
    return found


def _damaged_tasks(project: Project, names: list[str] | None) -> list[Problem]:
    """A task that cannot be read is missing from "all tasks", which is said."""
    broken = [] if names is not None else list_damaged_tasks(project)
    return [Problem("tasks", "task.damaged", {"task": task.task_id}, "warning") for task in broken]


def _unknown_tasks(project: Project, config: RunConfig) -> list[Problem]:
    """Tasks that are to be left out and are not there: said, since a plan outlives a change of the project."""
    known = {name for spec in list_tasks(project) for name in (spec.name, spec.task_id)}
    unknown = [name for name in left_out_names(config) if name not in known]
    key, field_name = "check.left_out_unknown", "left_out_tasks"
    return [Problem(field_name, key, {"task": name}, "warning") for name in unknown]


def _check_time(likely: float) -> list[Problem]:
    if likely < LONG_S:
        return []
    return [Problem("epochs", "check.long_time", {"hours": f"{likely / 3600:.0f}"}, "warning")]


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
    more = {"kind": "rehearsal", "plan": plan_key(config, dataset)}
    fill_run(folder, "rehearsal", config, dataset, more)
    start_run(folder)
    return folder


def read_rehearsal(folder: RunFolder) -> dict[str, Any] | None:
    """What the rehearsal found (see core.training.rehearsal.Prediction), or None while it goes on."""
    return dict(read_json(folder.prediction_path)) if folder.prediction_path.exists() else None


def end_rehearsal(folder: RunFolder) -> None:
    """Deletes an ended rehearsal. What it found stays with the project: the Ready card and every run of the same
    plan take it over, so that it can be compared with what happens."""
    found = read_rehearsal(folder)
    if found is not None:
        remember_rehearsal(folder.path.parents[1], folder.read_run()["plan"], found)
    shutil.rmtree(folder.path, ignore_errors=True)


def _check_memory(memory: tuple[float, float], device: str) -> list[Problem]:
    free = psutil.virtual_memory().available / 2**20
    if device != "cpu" or memory[1] <= free:
        return []
    severity = "error" if memory[0] > free else "warning"
    values = {"needed": round(memory[1]), "free": round(free)}
    return [Problem("batch_size", "check.memory", values, severity)]

"""Remedies for what the checks say of a plan: settings that one click or one `--set` applies, with their price.

A remedy changes nothing but settings, so it is undone by hand or by Undo. Torch-free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from core.base.errors import ModelError, Problem
from core.messages import english
from core.models.catalogue import find_model
from core.models.known_models import STARTER
from core.models.seeing import length_limit
from core.runs.prediction import FormulaEstimate, estimate_run
from core.tasks.cuts import looked_at, percent
from core.tasks.dataset import TaskDataset
from core.tasks.encoding import UNLIMITED, encode_example
from core.tasks.enough import CUT
from core.training.config import RunConfig, change_config
from core.training.plan import leave_out, left_out_names, practised_tasks, smaller_batch

LIMITS = (128, 192, 256, 384, 512, 640, 768, 1024, 1280, 1536, 2048, 3072, 4096, 6144, 8192, 16_384, 32_768)
STILL_CUT = 0.05  # of a task's rows, with the limit that is proposed
TIDY = frozenset({"check.stage2_single", "check.stage2_nothing", "check.no_model"})  # said, and nothing is at stake


@dataclass(frozen=True)
class PlanFix:
    """One remedy. `key` with `values` words it; `changes` are settings; `screen` is where rows are mended instead,
    for the task `task`, "tasks:health" with that part of it opened. `time` is the share by which the training
    becomes longer (0.4) or shorter (-0.2)."""

    key: str
    values: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    time: float | None = None
    screen: str = ""
    task: str = ""

    @property
    def assignments(self) -> list[str]:
        """As `--set` takes them: max_tokens=768."""
        return [f"{name}={'none' if value is None else value}" for name, value in self.changes.items()]

    @property
    def price(self) -> str:
        """'+40 %', '−20 %', '24 ×', or nothing where the time stays."""
        if self.time is None or abs(self.time) < 0.03:
            return ""
        return f"{1 + self.time:.0f} ×" if self.time >= 2 else f"{100 * self.time:+.0f} %".replace("-", "−")

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "message": english(self.key, self.values)[0], "assignments": self.assignments}


@dataclass(frozen=True)
class Planned:
    """A plan whose remedies are asked for, with what the formula expects of it (None: not known)."""

    config: RunConfig
    dataset: TaskDataset
    cost: FormulaEstimate | None = None

    def price(self, changes: dict[str, Any]) -> float | None:
        """By what share the training becomes longer or shorter with these changes; None where that is not known."""
        if self.cost is None or not self.cost.seconds[1]:
            return None
        config = change_config(self.config, changes)
        dataset = leave_out(self.dataset, config)
        after = estimate_run(config, dataset) if dataset.tasks else None
        return None if after is None else after.seconds[1] / self.cost.seconds[1] - 1.0


def plan_fixes(problem: Problem, planned: Planned) -> tuple[PlanFix, ...]:
    """The remedies of one problem, the one to try first in front; none where only the user knows."""
    find = _FIXES.get(problem.key, _no_fix)
    return tuple(fix for fix in find(problem, planned) if fix is not None)


def is_doubtful(problems: list[Problem]) -> bool:
    """Whether the plan can start but should not before it was looked at: many rows of a task are cut or left out, a
    task has almost no rows, or whatever else puts its result at stake."""
    return any(is_serious(problem) for problem in problems if problem.severity == "warning")


def is_serious(problem: Problem) -> bool:
    """Whether the result is at stake."""
    if "serious" in problem.values:  # of several tasks
        return bool(problem.values["serious"])
    if problem.key in ("check.long_rows", "check.left_out"):
        return bool(problem.values["count"] >= CUT * problem.values["rows"])
    return problem.key not in TIDY


def _longer(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    """The smallest usual limit with which at most STILL_CUT of the task's rows are cut, if the model reads that."""
    task = planned.dataset.names().index(problem.field)
    try:
        lengths = _row_lengths(planned, task)
        context = find_model(planned.config.base_model).context or LIMITS[-1]
    except ModelError:  # said by the checks
        return []
    now = min(planned.config.max_tokens, context)
    longer = [limit for limit in sorted({*LIMITS, context}) if now < limit <= context]
    if not longer:
        return []

    def cut(limit: int) -> int:
        return sum(length > limit for length in lengths)

    limit = next((limit for limit in longer if cut(limit) <= STILL_CUT * len(lengths)), longer[-1])
    if cut(limit) == cut(now):
        return []
    changes = {"max_tokens": limit}
    values = {"tokens": limit, "share": percent(cut(limit), len(lengths)), "task": problem.field}
    return [PlanFix("fix.longer", values, changes, planned.price(changes))]


def _row_lengths(planned: Planned, task: int) -> list[int]:
    """Tokens that each practice row would take uncut."""
    limit = length_limit(planned.config.base_model, planned.config.max_tokens)
    tokenizer, rows = limit.tokenizer(), planned.dataset.split(task, "train")
    looked = [rows[place] for place in looked_at(len(rows))]
    try:
        encoded = [encode_example(tokenizer, row, limit.architecture, UNLIMITED) for row in looked]
    except ModelError:  # of its chat template; the run will say so
        return []
    return [one.length for one in encoded if one is not None]


def _drop(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    return [_without(problem.field, planned)]


def _without(name: str, planned: Planned) -> PlanFix | None:
    """The run without one task; None for the only one."""
    tasks = planned.dataset.tasks
    spec = next((task for task in tasks if task.name == name), None)
    if spec is None or len(tasks) < 2:
        return None
    word = spec.task_id if ";" in name else name
    changes = {"left_out_tasks": "; ".join([*left_out_names(planned.config), word])}
    return PlanFix("fix.drop", {"task": name}, changes, planned.price(changes))


def _mend(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    """Their health report names the rows."""
    return [replace(_more_rows(problem, planned), key="fix.mend", screen="tasks:health"), *_drop(problem, planned)]


def _more_rows(problem: Problem, planned: Planned) -> PlanFix:
    ids = {spec.name: spec.task_id for spec in planned.dataset.tasks}
    return PlanFix("fix.rows", {"task": problem.field}, screen="tasks", task=ids.get(problem.field, ""))


def _longer_or_drop(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    return [*_longer(problem, planned), *_drop(problem, planned)]


def _rows_or_drop(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    return [_more_rows(problem, planned), *_drop(problem, planned)]


def _practice(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    """As `_rows_or_drop`; where the plan itself takes few rows a label, all of them first."""
    if planned.config.few_shot is None:
        return _rows_or_drop(problem, planned)
    return [PlanFix("fix.all_rows", {}, {"few_shot": None}), *_drop(problem, planned)]


def _all_longer(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    """The longest of the limits that the tasks need."""
    limits = [_longer(replace(problem, field=name), planned) for name in problem.values["names"]]
    longest = max((int(fix.changes["max_tokens"]) for limit in limits for fix in limit if fix), default=0)
    changes = {"max_tokens": longest}
    longer = PlanFix("fix.longer_tasks", {"tokens": longest}, changes, planned.price(changes)) if longest else None
    return [longer, *_drop_all(problem, planned)]


def _drop_all(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    """The run without all of them, where any task is left."""
    specs = [task for task in planned.dataset.tasks if task.name in problem.values["names"]]
    if len(specs) >= len(planned.dataset.tasks):
        return []
    words = [task.task_id if ";" in task.name else task.name for task in specs]
    changes = {"left_out_tasks": "; ".join([*left_out_names(planned.config), *words])}
    return [PlanFix("fix.drop_tasks", {"count": len(specs)}, changes, planned.price(changes))]


def _all_rows_or_drop(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    if problem.key == "check.few_train_tasks" and planned.config.few_shot is not None:
        return [PlanFix("fix.all_rows", {}, {"few_shot": None}), *_drop_all(problem, planned)]
    return [PlanFix("fix.rows_tasks", screen="tasks"), *_drop_all(problem, planned)]


def _whole_exam(_: Problem, planned: Planned) -> list[PlanFix | None]:
    """The usual number of exam rows."""
    changes = {"exam_rows": RunConfig().exam_rows}
    return [PlanFix("fix.exam", {"rows": changes["exam_rows"]}, changes, planned.price(changes))]


def _answer(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    """Both readings of the file stand above the task, with a button each."""
    rows = _more_rows(problem, planned)
    return [replace(rows, key="fix.answer"), *_drop(problem, planned)]


def _capped(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    changes = {"mixture": "temperature"}
    fix = PlanFix("fix.mixture", {}, changes, planned.price(changes))
    return [fix, _without(str(problem.values["task"]), planned)]


def _tasks(_: Problem, planned: Planned) -> list[PlanFix | None]:
    """No task: all of the project's again, or the screen where some are added."""
    if left_out_names(planned.config):
        return [PlanFix("fix.all_tasks", {}, {"left_out_tasks": None})]
    return [PlanFix("fix.add_tasks", screen="tasks")]


def _context(problem: Problem, _: Planned) -> list[PlanFix | None]:
    context = problem.values["context"]
    return [PlanFix("fix.context", {"tokens": context}, {"max_tokens": context})]


def _smaller_batch(_: Problem, planned: Planned) -> list[PlanFix | None]:
    config = planned.config
    changes = smaller_batch(config, practised_tasks(planned.dataset))
    if not changes:
        return []
    values = {"rows": changes["batch_size"], "times": changes["accumulation"] // config.accumulation}
    return [PlanFix("fix.batch", values, changes)]


def _fewer_passes(_: Problem, planned: Planned) -> list[PlanFix | None]:
    """A shorter training: one pass, or the steps halved where their number is set."""
    steps = planned.config.max_steps
    changes: dict[str, Any] = {"max_steps": max(1, steps // 2)} if steps else {"epochs": 1.0}
    if not steps and planned.config.epochs <= 1.0:
        return []
    key = "fix.steps" if steps else "fix.one_pass"
    return [PlanFix(key, {"steps": changes.get("max_steps", 0)}, changes, planned.price(changes))]


def _no_fix(_: Problem, __: Planned) -> list[PlanFix | None]:
    return []


def _set(key: str, **changes: Any) -> Callable[[Problem, Planned], list[PlanFix | None]]:
    """A remedy that is the same for every plan."""
    return lambda _, __: [PlanFix(key, {}, dict(changes))]


def _enough_steps(problem: Problem, planned: Planned) -> list[PlanFix | None]:
    """With something to spare: only then can what has fallen differ from what has not."""
    changes = {"max_steps": 2 * int(problem.values["enough"])}
    return [PlanFix("fix.enough_steps", {"steps": changes["max_steps"]}, changes, planned.price(changes))]


_STARTER = _set("fix.starter", base_model=STARTER)
_NO_STAGE2 = _set("fix.no_stage2", stage2_fraction=0.0, stage2_steps=None)
_FIXES: dict[str, Callable[[Problem, Planned], list[PlanFix | None]]] = {
    "check.long_rows": _longer_or_drop,
    "check.left_out": _longer_or_drop,
    "check.too_short_to_choose": _enough_steps,
    "check.few_train": _practice,
    "check.no_train": _rows_or_drop,
    "check.few_exam": _rows_or_drop,
    "check.long_rows_tasks": _all_longer,
    **dict.fromkeys(("check.few_exam_tasks", "check.few_train_tasks"), _all_rows_or_drop),
    "check.no_validation_tasks": lambda *_: [PlanFix("fix.rows_tasks", screen="tasks")],
    "check.no_exam": _rows_or_drop,
    "check.short_exam": _whole_exam,
    "check.exam_off": _whole_exam,
    "check.open_doubt": _answer,
    "check.leaky": _mend,
    "check.contradicting": _mend,
    "check.unseen": _mend,
    "check.no_validation": lambda problem, planned: [_more_rows(problem, planned)],
    "check.capped": _capped,
    "check.context": _context,
    "check.memory": _smaller_batch,
    "check.memory_limit": _smaller_batch,
    "check.disk": _set("fix.checkpoints", num_checkpoints=1),
    "check.long_time": _fewer_passes,
    "check.no_model": _STARTER,
    "check.stage2_single": _NO_STAGE2,
    "check.stage2_nothing": _NO_STAGE2,
    "check.device": _set("fix.device", device="auto"),
    "check.no_tracker": _set("fix.tracker", report_to="none"),
    "check.left_out_unknown": _set("fix.all_tasks", left_out_tasks=None),
    "check.no_tasks": _tasks,
    "run.no_rendezvous": _set("fix.machines", num_machines=1),
    "run.engine_machines": _set("fix.machines", num_machines=1),
    **dict.fromkeys(("model.not_fetched", "model.no_folder", "model.too_large", "model.no_safetensors"), _STARTER),
}

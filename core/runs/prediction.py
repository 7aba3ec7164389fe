"""What is expected of a run before it starts: by formula and earlier runs at once, by a rehearsal when one was made
for this plan.

It stays in the run's folder (prediction.json); `core/training/record.py` compares it with what happened.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ModelError, WorkspaceError
from core.base.files import naming, read_json, write_json_atomic
from core.evaluation.general import general_questions, general_texts
from core.models.catalogue import find_model
from core.models.estimate import Plan, estimate, read_model_size
from core.models.processor import multiplies_bfloat16, num_cores
from core.models.seeing import length_limit
from core.runs.device_lease import lease_device
from core.runs.folder import RunFolder
from core.runs.speeds import FORMULA, UNSURE, find_correction, load_factor, remember_speed
from core.tasks.dataset import TaskDataset
from core.tasks.encoding import IGNORED, encode_example
from core.training.checks import CHARACTERS_A_TOKEN
from core.training.config import RunConfig, config_to_dict
from core.training.plan import FORWARD_SHARE, SCORED_ROWS, RunPlan, plan_run, practised_tasks, rows_at_once

PROCESS_MB = 650  # Python with torch and transformers, before any model
PROGRAMS_MB = 400  # oneDNN's for products in bfloat16, of many shapes
MEMORY_UNSURE = 1.3
COUNTED = 40  # practice rows of a task whose tokens are counted
LOOKED_AT = 200  # practice rows of a task whose answers are measured
KEPT = 20  # rehearsals a project remembers
PREPARE_S = 6.0  # processor seconds until a worker has its libraries and the model
ROW_S = 0.0006  # to turn a row into tokens
STEP_S = 0.015  # what a step takes besides the model: optimizer, reports
CALL_S = 0.0035  # what a forward pass takes for each block besides its products; back it takes twice that
REST_S = 4.0  # saving, scoring and what the skills do, besides the passes
DECODED = 6.0  # times a token that is written costs what a token of the question does
WEIGHED_ROWS, WEIGHED_OF_ALL, FEWEST_WEIGHED = 16, 1200, 4  # as `core/training/evidence.py` does it
ASKED_OTHERWISE, MOST_BORROWED, PULLED = 5, 24, 3.0  # passes; a pull counts as three
MOST_TASKS, BATCH, ANSWER_TOKENS = 3, 16, 16  # as `core/evaluation/forgetting.py` asks, which needs torch


@dataclass(frozen=True)
class FormulaEstimate:
    """Processor seconds of the parts of a run (`speeds.PARTS`) by formula, before this machine's speed and load are
    known; megabytes of memory as (low, likely, high), megabytes of disk. `limit`: the clock's seconds that
    training may take, and what `rest` is after a training that was cut off by them."""

    parts: dict[str, float]
    memory_mb: tuple[float, float, float]
    disk_mb: float
    kind: dict[str, Any]
    limit: tuple[float, float] | None = None

    @property
    def seconds(self) -> tuple[float, float, float]:
        """(low, likely, high) on a quiet machine nothing is known of."""
        likely = sum(self._limited(self.parts, 1 / self.kind["threads"]).values()) / self.kind["threads"]
        return (likely / UNSURE, likely, likely * UNSURE)

    def as_prediction(self, workspace: Path) -> dict[str, Any]:
        """As prediction.json holds it, for this machine as it is now. `parts` are the clock's seconds, `processor`
        its processors', made from those by `formula`; `covers` says what `seconds` are about."""
        known, threads = find_correction(workspace, self.kind), self.kind["threads"]
        on_card = self.kind["device"] != "cpu"
        slow, slow_alone = (1.0, 1.0) if on_card else (load_factor(threads), load_factor(1))
        worked = {name: value * known.factors.get(name, 1.0) for name, value in self.parts.items()}
        stretch = {"prepare": slow_alone, "training": slow / threads, "rest": slow / threads}
        worked = self._limited(worked, stretch["training"])
        parts = {name: value * stretch[name] for name, value in worked.items()}
        likely = sum(parts.values())
        return {
            "source": "experience" if "training" in known.factors else "formula",
            "covers": "all",
            "seconds": (likely / known.unsure, likely, likely * known.unsure),
            "memory_mb": self.memory_mb,
            "parts": parts,
            "formula": self.parts,
            "formula_number": FORMULA,
            "kind": self.kind,
            **({} if on_card else {"processor": worked}),
        }

    def _limited(self, worked: dict[str, float], stretch: float) -> dict[str, float]:
        """Processor seconds, of which the clock takes `stretch` times as many, with the time limit kept."""
        if self.limit is None or worked["training"] * stretch <= self.limit[0]:
            return worked
        rest = worked["rest"] * self.limit[1] / self.parts["rest"]
        return {**worked, "training": self.limit[0] / stretch, "rest": rest}


def estimate_run(config: RunConfig, dataset: TaskDataset, plan: RunPlan | None = None) -> FormulaEstimate | None:
    """The formula's estimate, or None when the model's numbers are not on this machine, or its tokenizer fails."""
    try:
        local = find_model(config.base_model).local_path
        size = None if local is None else read_model_size(local)
        tokens, answers = (0, 0) if size is None else _mean_tokens(config, dataset)
    except ModelError:
        return None
    if size is None:
        return None
    plan = plan or plan_run(config, dataset)
    columns = config.adapter.cost(len(dataset.tasks))
    device = lease_device(config.device)
    dtype, products = _number_types(config.precision, device)
    threads = 1 if device != "cpu" else config.num_threads or max(1, num_cores() // config.num_processes)
    batch = rows_at_once(config, practised_tasks(dataset))
    asked = Plan(batch, tokens, 1, 1, columns.total, columns.active, dtype, device, 1, products, answers)
    cost = estimate(size, asked)
    programs = PROGRAMS_MB if "bfloat16" in (dtype, products) and device == "cpu" else 0
    memory = cost.memory_bytes / 2**20 + PROCESS_MB + programs
    row_s, call_s = cost.seconds / batch, 0.0 if device != "cpu" else CALL_S * size.blocks
    work = _Work(config, dataset, plan, row_s, call_s, cost.token_seconds + cost.head_seconds)
    kind = {"base_model": config.base_model, "method": config.method, "device": device.partition(":")[0]}
    return FormulaEstimate(
        {"prepare": work.prepare(), "training": work.training(), "rest": work.rest()},
        (memory / MEMORY_UNSURE, memory, memory * MEMORY_UNSURE),
        cost.adapter_bytes / 2**20 * (config.num_checkpoints + 1),
        {**kind, "products": products, "threads": threads},
        None if config.max_hours is None else (3600 * config.max_hours, work.rest(cut_off=True)),
    )


@dataclass(frozen=True)
class _Work:
    """Processor seconds of each part. `row_s`: a row forward and back; `call_s`: a pass over the blocks, whatever
    it holds; `token_s`: a token that is written, as if it went forward and back."""

    config: RunConfig
    dataset: TaskDataset
    plan: RunPlan
    row_s: float
    call_s: float
    token_s: float

    def prepare(self) -> float:
        return PREPARE_S + ROW_S * sum(sum(self.dataset.sizes(split)) for split in ("train", "validation"))

    def training(self) -> float:
        """All steps, and the checks between them."""
        config, batch = self.config, rows_at_once(self.config, practised_tasks(self.dataset))
        steps = self.plan.total_steps * (STEP_S + config.accumulation * (batch * self.row_s + 3 * self.call_s))
        rows = sum(min(config.validation_rows, size) for size in self.dataset.sizes("validation"))
        checks = sum(-(-stage.steps // stage.evaluate_every) + 1 for stage in self.plan.stages)
        check = self._forward(rows, batch)
        if config.keep_best_by == "score":
            most = min(SCORED_ROWS, config.validation_rows)
            check += self._answers([min(most, size) for size in self.dataset.sizes("validation")])
        return steps + checks * check

    def rest(self, cut_off: bool = False) -> float:
        """The exam of one or two models, how sure answers are, and what every skill does to the check rows.
        `cut_off`: after a training that its time limit ended, which may do without the exam."""
        config, checked, exam, sure = self.config, self.dataset.sizes("validation"), 0.0, 0.0
        if config.exam_after_stop or not cut_off:
            sure = self._forward(sum(min(config.certainty_rows, size) for size in checked), config.exam_batch_size)
            exam = self._exam() if config.exam_rows != 0 else 0.0
        return REST_S + exam + sure + (self._weighed() if config.weigh_skills else 0.0)

    def _exam(self) -> float:
        sizes, most = self.dataset.sizes("test"), self.config.exam_rows
        asked = self._answers([size if most is None else min(most, size) for size in sizes])
        return asked * (2 if self.config.exam_base else 1) + (self._general() if self.config.exam_general else 0)

    def _weighed(self) -> float:
        """Passes over check rows without each skill and with other tasks' rows; a pull is one forward and back."""
        sizes, most = self.dataset.sizes("validation"), min(WEIGHED_ROWS, self.config.validation_rows)
        rows = min(sum(min(most, size) for size in sizes), max(WEIGHED_OF_ALL, FEWEST_WEIGHED * len(sizes)))
        passes = ASKED_OTHERWISE + getattr(self.config.adapter, "num_common_skills", 1) + PULLED
        return (passes + min(len(sizes) - 1, MOST_BORROWED)) * self._forward(rows, WEIGHED_ROWS)

    def _general(self) -> float:
        """General texts read and general questions answered, by the untouched model and as a few of the tasks."""
        sides, batch, written = 1 + min(MOST_TASKS, len(self.dataset.tasks)), BATCH, ANSWER_TOKENS
        questions = len(general_questions())
        token_s = DECODED * FORWARD_SHARE * self.token_s
        asked = questions * written * token_s + -(-questions // batch) * (written + 1) * self.call_s
        return sides * (self._forward(len(general_texts()), batch) + asked)

    def _forward(self, rows: int, batch: int) -> float:
        return FORWARD_SHARE * rows * self.row_s + -(-rows // batch) * self.call_s

    def _answers(self, rows_of_tasks: list[int]) -> float:
        """Questions are read once; what is written costs more a token, and one pass for each token of a batch."""
        total = 0.0
        for task, rows in enumerate(rows_of_tasks):
            practice = self.dataset.split(task, "train")[:LOOKED_AT]
            written = statistics.fmean(len(e.target) / CHARACTERS_A_TOKEN for e in practice) if practice else 1.0
            passes = -(-rows // self.config.exam_batch_size) * (written + 1)
            total += self._forward(rows, self.config.exam_batch_size)
            total += rows * written * DECODED * FORWARD_SHARE * self.token_s + passes * self.call_s
        return total


def find_prediction(project_dir: Path, config: RunConfig, dataset: TaskDataset) -> dict[str, Any] | None:
    """The rehearsal that was made for exactly this plan, else the formula's estimate, else None."""
    return choose_prediction(project_dir, plan_key(config, dataset), estimate_run(config, dataset))


def choose_prediction(project_dir: Path, key: str, formula: FormulaEstimate | None) -> dict[str, Any] | None:
    """As `find_prediction`, for a plan whose key and estimate are known."""
    rehearsed = _read_rehearsals(project_dir).get(key)
    if rehearsed is not None:
        return dict(rehearsed)
    return None if formula is None else formula.as_prediction(project_dir.parents[1])


def read_prediction(folder: RunFolder) -> tuple[float, float] | None:
    """(low, high) seconds of the whole run, as they were expected before it started; None where nothing was."""
    if not folder.prediction_path.exists():
        return None
    try:
        with naming(folder.prediction_path):
            found = read_json(folder.prediction_path)
            return (found["seconds"][0], found["seconds"][2]) if found.get("covers") == "all" else None
    except WorkspaceError:  # damaged: nothing is known of it any more
        return None


def seconds_at_work(folder: RunFolder) -> float | None:
    """Of the clock, of the one process that did the whole run; None of an interrupted or stopped run, between whose
    start and end it may also have lain still."""
    record = read_json(folder.record_path) if folder.record_path.exists() else {}
    taken = record.get("actual", {}).get("seconds")
    return None if taken is None else float(taken)


def learn_speed(folder: RunFolder) -> None:
    """Notes how fast this machine did a finished run, for the next plans; nothing of a run that was interrupted,
    stopped, or predicted by a rehearsal."""
    record = read_json(folder.record_path) if folder.record_path.exists() else {}
    formula = record.get("prediction", {}).get("formula")
    if formula and "actual" in record:
        taken = record["actual"]["parts"]
        on_card = record["prediction"]["kind"]["device"] != "cpu"
        parts = {name: (formula[name], taken[name][0 if on_card else 1]) for name in formula if name in taken}
        by = record["prediction"].get("formula_number")
        remember_speed(folder.workspace_dir, record["prediction"]["kind"], parts, by)


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


def _mean_tokens(config: RunConfig, dataset: TaskDataset) -> tuple[int, int]:
    """Of a practice row and of its answer, each task counting by its rows; a few rows of each are looked at."""
    limit = length_limit(config.base_model, config.max_tokens)
    tokenizer, means = limit.tokenizer(), []
    for task, size in enumerate(dataset.sizes("train")):
        rows = dataset.split(task, "train")[:: max(1, size // COUNTED)]
        found = [encode_example(tokenizer, row, limit.architecture, limit.max_tokens) for row in rows]
        known = [one for one in found if one is not None]
        if known:
            answers = [sum(token != IGNORED for token in one.labels) for one in known]
            means.append((statistics.fmean(one.length for one in known), statistics.fmean(answers), size))
    whole = sum(size for *_, size in means)
    if not whole:
        return 1, 1
    return (
        max(1, round(sum(length * size for length, _, size in means) / whole)),
        max(1, round(sum(answer * size for _, answer, size in means) / whole)),
    )

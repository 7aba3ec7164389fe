"""Everything that can be known before a run starts, all problems at once. Torch-free."""

from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from pathlib import Path
from typing import Any

from core.adapters.registry import METHODS
from core.adapters.settings.task_adapters import MTAConfig
from core.base.cards import count_cards
from core.base.errors import ModelError, Problem
from core.base.settings import check_settings
from core.models.catalogue import find_model
from core.models.families import HELD, NO_FEED_FORWARD, kind_of
from core.models.inspection import FolderFacts, inspect_folder
from core.models.known_models import STARTER
from core.models.offers import cached_folder
from core.models.seeing import length_limit
from core.tasks.cuts import measure_cuts, percent
from core.tasks.dataset import TaskDataset
from core.tasks.encoding import encode_prompt
from core.tasks.enough import FEW_EXAM, FEW_PRACTICE
from core.training.config import RunConfig, own_stages
from core.training.plan import OFF, plan_run, steps_to_choose
from core.training.wishes import check_wishes

MOST_UNSEEN = 4  # times more rows than a pass sees
CHARACTERS_A_TOKEN = 2.5  # a cautious mean over English and Chinese; the Ready card measures exactly
SPARE_MB = 64


def check_config(config: RunConfig) -> list[Problem]:
    """Every setting out of type, bounds or choices, the method's own settings included (field `adapter.<name>`)."""
    problems = check_settings(config)
    wanted = METHODS.get(config.method).config_class
    if not isinstance(config.adapter, wanted):
        values = {"method": config.method, "found": type(config.adapter).__name__}
        return problems + [Problem("adapter", "config.adapter_mismatch", values)]
    if METHODS.get(config.method).takes_library:
        problems.append(Problem("method", "check.only_made", {"method": METHODS.get(config.method).title}))
    own = [*check_settings(config.adapter), *config.adapter.check()]
    return problems + [dataclasses.replace(p, field=f"adapter.{p.field}") for p in own]


def check_run(config: RunConfig, dataset: TaskDataset, runs_dir: Path | None = None) -> list[Problem]:
    """Problems of settings, tasks, base model, lengths and disk; severity "error" stops, "warning" is shown."""
    if config.method not in METHODS:
        return check_config(config)
    problems = check_config(config)
    problems += _check_tasks(config, dataset)
    problems += check_wishes(config, dataset.names())
    problems += _check_model(config)
    problems += _check_chunks(config)
    problems += _check_lengths(config, dataset)
    problems += _check_device(config)
    if runs_dir is not None:
        problems += check_disk(runs_dir)
    return problems


def check_disk(runs_dir: Path, needed_mb: float = 0.0) -> list[Problem]:
    """Whether the disk under `runs_dir` has room for `needed_mb` and a spare."""
    needed = needed_mb + SPARE_MB
    # The folder may not exist yet; what counts is the disk that it will lie on.
    existing = next(p for p in (runs_dir, *runs_dir.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**20
    if free >= needed:
        return []
    return [Problem("checkpoints", "check.disk", {"free": round(free), "needed": round(needed)})]


def _check_tasks(config: RunConfig, dataset: TaskDataset) -> list[Problem]:
    if not dataset.tasks:
        return [Problem("tasks", "check.no_tasks")]
    problems = []
    for index, spec in enumerate(dataset.tasks):
        rows = len(dataset.examples.get((index, "train"), []))
        if rows == 0:
            problems.append(Problem(spec.name, "check.no_train", {"task": spec.name}))
        elif rows < FEW_PRACTICE:
            problems.append(Problem(spec.name, "check.few_train", {"task": spec.name, "count": rows}, "warning"))
        if not dataset.examples.get((index, "validation")):
            problems.append(Problem(spec.name, "check.no_validation", {"task": spec.name}, "warning"))
    problems += _check_exams(config, dataset)
    problems += _check_cap(config, dataset)
    problems += _check_choice(config, dataset)
    return problems + _check_stage2(config, len(dataset.tasks))


def _check_exams(config: RunConfig, dataset: TaskDataset) -> list[Problem]:
    """Exams after which nobody can tell skill from luck: the verdict will be "not yet" whatever was learned."""
    problems, rows = [], {spec.name: len(dataset.split(i, "test")) for i, spec in enumerate(dataset.tasks)}
    for task, count in rows.items():
        if count < FEW_EXAM:
            values = {"task": task, "count": count, "least": FEW_EXAM}
            problems.append(Problem(task, "check.few_exam" if count else "check.no_exam", values, "warning"))
    asked = config.exam_rows
    if asked is not None and asked < FEW_EXAM and max(rows.values()) >= FEW_EXAM:
        key, values = "check.short_exam" if asked else "check.exam_off", {"count": asked, "least": FEW_EXAM}
        problems.append(Problem("exam_rows", key, values, "warning"))
    return problems


def _check_stage2(config: RunConfig, num_tasks: int) -> list[Problem]:
    """A second stage that was asked for and cannot be, or brings nothing."""
    wanted = config.stage2_steps if config.stage2_steps is not None else config.stage2_fraction
    if not wanted or len(METHODS.get(config.method).stages) < 2:
        return []
    if len(own_stages(config)) < 2:
        return [Problem("stage2_fraction", "check.stage2_nothing", {}, "warning")]
    return [Problem("stage2_fraction", "check.stage2_single", {}, "warning")] if num_tasks == 1 else []


def _check_choice(config: RunConfig, dataset: TaskDataset) -> list[Problem]:
    """A training that is over before the method could choose anything."""
    if config.adapter.way_to_choice() is None or not any(dataset.sizes("train")):
        return []
    plan = plan_run(config, dataset)
    steps, least = plan.stages[0].steps, steps_to_choose(config, plan)
    if least is None or steps >= least:
        return []
    values = {"method": METHODS.get(config.method).title, "steps": steps, "enough": least}
    return [Problem("max_steps", "check.too_short_to_choose", values, "warning")]


def find_cap(config: RunConfig, dataset: TaskDataset) -> dict[str, Any]:
    """The `task` whose few rows limit the others, the rows that any task gives to a pass at `most`, and how many of
    all rows are `used` in it; {} where every pass uses all."""
    sizes = {spec.name: len(dataset.examples.get((i, "train"), [])) for i, spec in enumerate(dataset.tasks)}
    sizes = {name: size for name, size in sizes.items() if size}
    if config.mixture != "capped" or not sizes:
        return {}
    smallest = min(sizes, key=lambda name: sizes[name])
    # As `MixtureSampler` deals them out, capped.
    most, rows = int(config.mixture_cap * sizes[smallest]), sum(sizes.values())
    used = sum(min(size, most) for size in sizes.values())
    return {"task": smallest, "most": most, "used": used, "rows": rows} if used < rows else {}


def _check_cap(config: RunConfig, dataset: TaskDataset) -> list[Problem]:
    """A tiny task caps all others: most of their rows would never be seen."""
    cap = find_cap(config, dataset)
    if not cap or cap["used"] * MOST_UNSEEN >= cap["rows"]:
        return []
    values = {name: cap[name] for name in ("task", "used", "rows")}
    return [Problem("mixture", "check.capped", values, "warning")]


def _check_model(config: RunConfig) -> list[Problem]:
    try:
        info = find_model(config.base_model)
        if info.package is not None and info.local_path is None:
            raise ModelError("model.not_fetched", model=info.model_id)
        folder = info.local_path or cached_folder(info)
        facts = None
        if folder is not None and info.model_id != STARTER:
            facts = inspect_folder(folder, config.allow_large_base)
    except ModelError as error:
        return [Problem("base_model", error.key, error.values)]
    problems = [] if facts is None else _check_family(config, facts)
    if info.local_path is None:
        problems.append(Problem("base_model", "check.no_model", {"model": config.base_model}, "warning"))
    if info.context and config.max_tokens > info.context:
        values: dict[str, Any] = {"tokens": config.max_tokens, "model": config.base_model, "context": info.context}
        problems.append(Problem("max_tokens", "check.context", values, "warning"))
    return problems


def _check_chunks(config: RunConfig) -> list[Problem]:
    """Instructions of several tasks in one row, which these settings cannot be; the worker compares losses too."""
    if config.chunks == OFF:
        return []
    method = METHODS.get(config.method)
    joins = (
        method.joins and getattr(config.adapter, "combine", "sum") == "sum" and not config.gradient_checkpointing
    )
    if joins:
        try:
            joins = length_limit(config.base_model, config.max_tokens).architecture == "decoder"
        except ModelError:  # said by _check_model
            return []
    return (
        []
        if joins
        else [Problem("chunks", "training.no_chunks", {"method": method.title, "chunks": config.chunks})]
    )


def _check_family(config: RunConfig, facts: FolderFacts) -> list[Problem]:
    kind = kind_of(facts.config)
    problems = []
    if kind not in HELD:
        problems.append(Problem("base_model", "check.unheld_family", {"kind": kind}, "warning"))
    if isinstance(config.adapter, MTAConfig) and kind in NO_FEED_FORWARD:
        values = {"kind": kind, "method": METHODS.get(config.method).title}
        problems.append(Problem("method", "check.no_feed_forward", values))
    return problems


def _check_lengths(config: RunConfig, dataset: TaskDataset) -> list[Problem]:
    """Practice rows that are too long for the base model, counted as health counts them."""
    problems = []
    try:
        limit = length_limit(config.base_model, config.max_tokens)
    except ModelError:  # said by _check_model
        return []
    try:
        encode_prompt(
            limit.tokenizer(), "a", limit.architecture, limit.max_tokens
        )  # its chat template may be broken
        counts = [measure_cuts(dataset.split(task, "train"), limit) for task in range(len(dataset.tasks))]
    except ModelError as error:
        return [Problem("base_model", error.key, error.values)]
    for spec, cuts in zip(dataset.tasks, counts, strict=True):
        known = {"task": spec.name, "tokens": limit.max_tokens, "model": limit.model, "rows": cuts.rows}
        if cuts.cut:
            values = known | {"count": cuts.cut, "share": percent(cuts.cut, cuts.rows), "column": cuts.column}
            problems.append(Problem(spec.name, "check.long_rows", values, "warning"))
        if cuts.left_out:
            # A task of which nothing is left would be trained on nothing, under its name.
            severity = "error" if cuts.left_out == cuts.rows else "warning"
            values = known | {"count": cuts.left_out}
            problems.append(Problem(spec.name, "check.left_out", values, severity))
    return problems


def _check_device(config: RunConfig) -> list[Problem]:
    problems = []
    if config.report_to != "none" and importlib.util.find_spec(config.report_to) is None:
        problems.append(Problem("report_to", "check.no_tracker", {"tracker": config.report_to}))
    if config.num_machines > 1 and not (config.rendezvous or "").rpartition(":")[2].isdigit():
        problems.append(Problem("rendezvous", "run.no_rendezvous", {"address": config.rendezvous}))
    if config.device == "cpu" or (config.device == "auto" and config.num_processes == 1):
        return problems
    cards = count_cards()
    if not cards and config.device != "auto":
        problems.append(Problem("device", "check.device", {"device": config.device}))
    if cards and config.num_processes > cards:
        values = {"processes": config.num_processes, "cards": cards}
        problems.append(Problem("num_processes", "check.cards", values))
    return problems

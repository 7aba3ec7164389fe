"""A whole run: prepare, train every stage, save the adapter, sit the exam, write the results."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import dataclass, replace
from typing import Any

from core.base.errors import RunError, TaskloomError
from core.base.files import write_json_atomic, write_text_atomic
from core.base.lines import whole_lines
from core.evaluation.contributions import write_contributions
from core.evaluation.exam import Examiner
from core.evaluation.forgetting import write_forgetting
from core.evaluation.results import build_results
from core.models.building import save_adapter
from core.models.loading import LoadedBase, require_size
from core.tasks.dataset import TaskDataset, load_saved_dataset
from core.training.allocation import write_allocation
from core.training.answer_model import AnswerModel
from core.training.batches import PART_TOKENS_CARD, PART_TOKENS_CPU, BatchPlan, EncodedSplit, Encoder
from core.training.card_paths import choose_compiled
from core.training.check_scores import CheckScores
from core.training.checkpoints import Checkpoint, load_checkpoint
from core.training.choose_packing import choose_chunks, choose_packing
from core.training.config import RunConfig
from core.training.device import DeviceChoice, apply_device, choose_device, load_chosen_base
from core.training.evidence import weigh_skills
from core.training.examining import exam_settings
from core.training.manifest import TrainingState, find_checkpoint, is_of, list_checkpoints, settings_hash
from core.training.pace import PartClock, pace_of
from core.training.plan import build_sampler, plan_run
from core.training.pruning import prune_allocation
from core.training.record import build_record, note_actual
from core.training.reporting import CANCEL, PAUSE, STOP, Journal, RunCancelled, RunPaths, RunPaused, telling_tasks
from core.training.stage import run_stage
from core.training.trainer import ALONE, Shard
from core.training.validation import note_unchecked, to_device
from core.training.wishes import build_wished
from core.training.work import RunWork, keep_moving


@dataclass(frozen=True)
class Outcome:
    """How training ended: whole, or stopped early by the user with the adapter kept."""

    stopped_early: bool


@dataclass
class Prepared:
    """A run in memory, ready to train."""

    dataset: TaskDataset
    base: LoadedBase
    work: RunWork
    results: dict[str, Any] | None = None  # of the exam so far


def train_run(
    paths: RunPaths, config: RunConfig, journal: Journal, shard: Shard = ALONE, clock: PartClock | None = None
) -> Outcome:
    """Runs everything in this process; goes on from the newest good checkpoint. `clock` began when the run did.

    Raises:
        RunCancelled, RunPaused: the user's wishes. TrainingFailure: NaN. TaskloomError: data, model, disk.
    """
    clock = clock or PartClock()
    journal.progress(state="running", stage="preparing", message_key="run.preparing", message_values={})
    resumed = bool(list_checkpoints(paths.checkpoints_dir))
    prepared = prepare(paths, config, journal, shard)
    clock.ends("prepare")
    stopped = _train_stages(prepared, config, paths, journal)
    clock.ends("training")
    if prepared.work.writes:
        _save(prepared, paths, journal)
        if config.exam_rows != 0 and (config.exam_after_stop or not stopped):
            stopped |= _examine(prepared, config, paths, journal)
        elif not stopped:
            _examiner(prepared, config).choosing.note_certainties(prepared.dataset, paths.certainty_path)
        _write_results(prepared, paths, config)
        if config.weigh_skills:
            weigh_skills(prepared.work, prepared.dataset.names(), stopped)
        if not (stopped or resumed):
            clock.ends("rest")
            note_actual(paths.record_path, paths.prediction_path, clock)
    return Outcome(stopped)


def prepare(paths: RunPaths, config: RunConfig, journal: Journal, shard: Shard) -> Prepared:
    """Loads model and tasks and turns the tasks into tokens."""
    choice = choose_device(config)
    device = apply_device(choice)
    dataset = load_saved_dataset(paths.data_dir)
    base = load_chosen_base(config.base_model, choice)
    keep_moving(journal, base.model)
    require_size(base, config.allow_large_base)
    modular = build_wished(base, config, dataset.names(), paths.frozen_weights_path)
    if config.gradient_checkpointing:
        modular.activation_checkpointing_enable()
    encoder = build_encoder(base, config)
    train = EncodedSplit(dataset, "train", encoder)
    _report_cuts(train, dataset, encoder, journal)
    dataset = train.fitting(dataset, "train")
    validation = EncodedSplit(dataset, "validation", encoder, config.validation_rows)
    plan = plan_run(config, dataset)
    work = RunWork(
        config,
        plan,
        AnswerModel(modular),
        device,
        train,
        validation,
        BatchPlan(build_sampler(config, dataset), config.batch_size, config.chunks),
        journal,
        paths,
        pace_of(plan, config, paths.prediction_path),
        shard,
        settings_hash(config),
        CheckScores(base, modular, dataset, config) if config.keep_best_by == "score" else None,
    )
    choose_paths(work, choice, journal)
    choose_chunks(work.model, train, config, base.context)
    if work.writes:
        record = build_record(paths.path.name, config, choice, modular, dataset)
        write_json_atomic(paths.record_path, {**record, "packed_rows": train.packed})
    return Prepared(dataset, base, work)


def build_encoder(base: LoadedBase, config: RunConfig) -> Encoder:
    """How this run turns text into tokens."""
    return Encoder(
        base.tokenizer,
        base.architecture,
        min(config.max_tokens, base.context),
        base.tokenizer.pad_token_id,
        getattr(base.model.config, "decoder_start_token_id", None),
        config.loss_average == "examples",
        PART_TOKENS_CPU if base.model.device.type == "cpu" else PART_TOKENS_CARD,
    )


def _train_stages(prepared: Prepared, config: RunConfig, paths: RunPaths, journal: Journal) -> bool:
    """Every stage that is left; True when the user stopped the training."""
    work = prepared.work
    adapter = work.model.modular.adapter
    state, checkpoint = _find_state(work, paths, journal)
    if checkpoint is not None:
        adapter.load_state_dict(checkpoint.adapter)
    while state.stage <= len(work.plan.stages):
        watch = run_stage(work, state.stage, state, checkpoint)
        if watch.stopped:
            return True
        state = TrainingState(
            stage=state.stage + 1,
            micro=watch.trainer.next_micro,
            tokens=watch.total_tokens,
            seconds=watch.total_seconds,
        )
        checkpoint = None
    prune_allocation(work)
    return False


def _find_state(work: RunWork, paths: RunPaths, journal: Journal) -> tuple[TrainingState, Checkpoint | None]:
    """Where to begin: the first stage, the middle of one, or after a finished one."""
    folder, problems = find_checkpoint(paths.checkpoints_dir)
    for problem in problems:
        journal.event("notice", key=problem.key, values=problem.values)
    if folder is None:
        _cut_snapshots(work, -1, 1)
        return TrainingState(stage=1), None
    checkpoint = load_checkpoint(folder)
    state = checkpoint.state
    if not is_of(state, work.config):
        detail = f"{state.settings_hash} != {work.settings_hash}"
        raise TaskloomError("checkpoint.mismatch", name=folder.name, detail=detail)
    done = state.step + sum(stage.steps for stage in work.plan.stages[: state.stage - 1])
    _cut_snapshots(work, done, state.stage)
    journal.event("resume", step=done, stage=state.stage, name=folder.name)
    if state.stage_done:
        state = replace(state, stage=state.stage + 1, step=0, stage_done=False, best_value=None, bad_checks=0)
    return state, checkpoint


def _cut_snapshots(work: RunWork, last_step: int, last_stage: int) -> None:
    """Takes allocation snapshots that will be made again out of both of their files: later steps,
    and the first look of a later stage, which has the step number of the last look before it."""
    path = work.paths.snapshot_lines_path
    if not work.writes or not path.exists():
        return
    kept = []
    for line in whole_lines(path):
        snapshot = json.loads(line)
        known = snapshot["step"] <= last_step and snapshot["stage"] <= last_stage
        if known and not snapshot.get("final"):
            kept.append(f"{line}\n")
    write_text_atomic(path, "".join(kept))
    snapshots = work.paths.snapshots_path
    if snapshots.exists():
        last = json.loads(kept[-1]) if kept else {}
        os.truncate(snapshots, last["offset"] + 2 * math.prod(last["shape"]) if "offset" in last else 0)


def choose_paths(work: RunWork, choice: DeviceChoice, journal: Journal) -> None:
    """Lets the head see answer positions only and packs the batches, if this model gives the same loss that way."""
    places = work.batch_plan.places(0)
    work.model.head_precision = choice.head
    if not work.model.agrees(to_device(work.train.collate(places), work.device)):
        journal.event("notice", key="training.full_head", values={})
    choose_packing(work.model, [work.train, work.validation], places, work.config, work.device, journal)
    choose_compiled(work.config, work.model.modular.base, journal)


def _report_cuts(train: EncodedSplit, dataset: TaskDataset, encoder: Encoder, journal: Journal) -> None:
    """Says which practice rows give way and which are left out.

    Raises:
        RunError: no row of a task fits.
    """
    for task, spec in enumerate(dataset.tasks):
        cut, left_out, kept = train.num_cut[task], train.num_left_out[task], len(train.kept[task])
        known = {"task": spec.name, "tokens": encoder.max_tokens}
        if left_out and not kept:
            raise RunError("training.no_room", **known)
        if cut:
            share = round(100 * cut / (kept + left_out))
            journal.event("notice", key="training.rows_cut", values=known | {"count": cut, "share": share})
        if left_out:
            journal.event("notice", key="training.rows_left_out", values=known | {"count": left_out})


def _save(prepared: Prepared, paths: RunPaths, journal: Journal) -> None:
    journal.progress(stage="saving", message_key="run.saving", message_values={}, eta_s=None, eta_range_s=None)
    model = prepared.work.model.modular
    note_unchecked(prepared.work.model, prepared.work.validation, prepared.work.train)
    save_adapter(model, paths.adapter_dir)
    write_contributions(paths.contributions_path, prepared.base, model, prepared.dataset, telling_tasks(journal))
    plan = prepared.work.plan
    write_allocation(model, paths, plan.total_steps, len(plan.stages), final=True)


def _examine(prepared: Prepared, config: RunConfig, paths: RunPaths, journal: Journal) -> bool:
    """True when the user stopped the exam."""
    started = time.monotonic()

    def on_batch(done: int, total: int) -> None:
        wish = journal.wish()
        if wish == CANCEL:
            raise RunCancelled
        if wish == PAUSE:
            raise RunPaused
        if wish == STOP:
            raise _ExamStopped
        eta = (time.monotonic() - started) / done * (total - done) if done else None
        journal.progress(
            stage="exam",
            progress=prepared.work.pace.exam_progress(done, total),
            eta_s=eta,
            eta_range_s=None,
            message_key="run.examining",
            message_values={"done": done, "total": total},
        )
        journal.event("exam", done=done, total=total)

    try:
        examiner = _examiner(prepared, config)
        examiner.choosing.note_certainties(prepared.dataset, paths.certainty_path)
        examiner.sit(
            prepared.dataset, paths.predictions_dir, on_batch, lambda _: _write_results(prepared, paths, config)
        )
        if config.exam_general:
            write_forgetting(paths.forgetting_path, prepared.base, prepared.work.model.modular)
    except _ExamStopped:
        return True
    return False


def _examiner(prepared: Prepared, config: RunConfig) -> Examiner:
    model = prepared.work.model.modular
    model.eval()
    return Examiner(prepared.base, model, exam_settings(config))


class _ExamStopped(Exception):
    """The user wants what is there."""


def _write_results(prepared: Prepared, paths: RunPaths, config: RunConfig) -> None:
    """Also after every task of the exam, so that the page fills in while the rest is answered."""
    labels, known = config.exam_only_labels, prepared.results
    prepared.results = build_results(prepared.dataset, paths.predictions_dir, config.seed, labels, known)
    write_json_atomic(paths.results_path, prepared.results)

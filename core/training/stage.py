"""One stage of training: what happens after every step, and what is kept.

The stage ends after its steps, when the check set has not improved for `patience` checks, or when the user wishes.
At its end the adapter is the best one by mean check loss, or by the score of the check rows where the run asks for
that (the last one when there are no check rows).
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from core.training.allocation import write_allocation
from core.training.batches import MicroBatches
from core.training.check_scores import value_of
from core.training.checkpoints import (
    Checkpoint,
    Tensors,
    flatten_optimizer,
    prune_checkpoints,
    restore_optimizer,
    save_checkpoint,
)
from core.training.checks import check_disk
from core.training.failures import TrainingFailure
from core.training.manifest import TrainingState
from core.training.optimisation import StepSchedule, build_optimizer, schedule_factor
from core.training.plan import StagePlan
from core.training.reporting import CANCEL, PAUSE, STOP, RunCancelled, RunPaused
from core.training.trainer import StageParts, StageTrainer, training_arguments
from core.training.validation import CheckResult, TaskLossMeter, check_losses, note_unchecked
from core.training.work import RunWork


class StageWatch(TrainerCallback):
    """Reports, checks, saves and obeys after every optimizer step of a stage."""

    def __init__(self, work: RunWork, number: int, state: TrainingState, best: Tensors | None) -> None:
        self.work = work
        self.stage: StagePlan = work.plan.stages[number - 1]
        self.number = number
        self.best = best
        self.best_value = state.best_value
        self.best_step = state.best_step
        self.bad_checks = state.bad_checks
        self.tokens = state.tokens
        self.first_step = state.step
        self.steps_before = sum(s.steps for s in work.plan.stages[: number - 1])
        self.stopped = False
        self.trainer: StageTrainer  # set by `run_stage`, with what stands beside it
        self.meter: TaskLossMeter
        self.optimizer: torch.optim.Optimizer
        self._seconds = state.seconds
        self._began = time.monotonic()
        self._last_log = (time.monotonic(), 0)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self.work.model.modular.adapter.trained_share = (self.first_step + state.global_step) / self.stage.steps
        return control

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        step = self.first_step + state.global_step
        check = step % self.stage.evaluate_every == 0 or step == self.stage.steps
        save = step % self.stage.checkpoint_every == 0
        if check or save or step % self.work.config.log_every == 0 or step == 1:
            self._log(step)
        if check:
            control.should_training_stop |= self.check(step)
        wish = self.work.wish(self.total_seconds)
        if save or wish == PAUSE:
            self.save(step)
        self._report(step)
        if wish == CANCEL:
            raise RunCancelled
        if wish == PAUSE:
            raise RunPaused
        if wish == STOP:
            self.stopped = control.should_training_stop = True
        return control

    @property
    def total_tokens(self) -> int:
        """Tokens this process has trained on since the beginning of the run."""
        return self.tokens + self.trainer.num_tokens

    @property
    def total_seconds(self) -> float:
        """Time of training since the beginning of the run, interruptions left out."""
        return self._seconds + time.monotonic() - self._began

    def check(self, step: int) -> bool:
        """Checks all tasks, keeps the adapter when it is the best so far; True when it is time to stop early."""
        began = time.monotonic()
        work = self.work
        result = check_losses(
            work.model, work.validation, work.config.batch_size, work.device, work.shard.rank, work.shard.world
        )
        note_unchecked(work.model, work.validation, work.train)  # else the map would draw such a task as even
        if result.mean is not None and not math.isfinite(result.mean):
            raise TrainingFailure("nan_loss", "training.nan", value=str(result.mean), stage=self.number, step=step)
        score = None if work.scores is None else work.scores.measure()
        value = value_of(result.mean, score)
        improved = value is None or self.best_value is None or value < self.best_value
        if improved:
            settled = work.model.modular.adapter.settled  # an adapter that is to shrink yet beats none that has
            self.best_value, self.best_step, self.bad_checks = value if settled else None, step, 0
            self.best = _copy(work.model.modular.adapter.state_dict())
        else:
            self.bad_checks += 1
        self._write_check(step, result, score, improved)
        work.pace.pause(time.monotonic() - began)
        self._last_log = (time.monotonic(), self.trainer.num_tokens)  # the check counts for no step's speed
        return work.config.patience is not None and self.bad_checks >= work.config.patience

    def save(self, step: int, done: bool = False) -> None:
        """Writes a checkpoint after `step` steps of this stage; the tail of the log is read before (see `_log`)."""
        if not self.work.writes:
            return
        state = TrainingState(
            stage=self.number,
            step=step,
            best_value=self.best_value,
            best_step=self.best_step,
            bad_checks=self.bad_checks,
            tokens=self.total_tokens,
            stage_done=done,
            micro=self.trainer.next_micro,
            settings_hash=self.work.settings_hash,
            seconds=self.total_seconds,
        )
        adapter = self.work.model.modular.adapter.state_dict()
        if not _is_finite(adapter):
            raise TrainingFailure("nan_loss", "training.nan", value="nan", stage=self.number, step=step)
        self._warn_of_full_disk(adapter)
        optimizer = {} if done else flatten_optimizer(self.optimizer)
        name = f"step-{self.steps_before + step:08d}{'-end' if done else ''}"
        path = save_checkpoint(
            self.work.paths.checkpoints_dir, name, Checkpoint(state, dict(adapter), self.best, optimizer)
        )
        prune_checkpoints(self.work.paths.checkpoints_dir, self.work.config.num_checkpoints)
        self.work.journal.event("checkpoint", step=self.steps_before + step, stage=self.number, name=path.name)

    def _warn_of_full_disk(self, adapter: dict[str, Tensor]) -> None:
        """Says so while there is still room for the next checkpoint: adapter, best adapter and two moments."""
        needed = 4 * sum(t.numel() * t.element_size() for t in adapter.values()) / 2**20
        for problem in check_disk(self.work.paths.path, 2 * needed):
            self.work.journal.event("notice", key=problem.key, values=problem.values)

    def keep_best(self) -> None:
        """Puts the best adapter of the stage back."""
        if self.best is not None:
            self.work.model.modular.adapter.load_state_dict(self.best)

    def _log(self, step: int) -> None:
        if self.work.shard.world > 1:
            torch.distributed.all_reduce(self.meter.sums())
        by_task, mean = self.meter.read()
        if mean is None:
            return
        if mean != mean or mean in (float("inf"), float("-inf")):
            raise TrainingFailure("nan_loss", "training.nan", value=str(mean), stage=self.number, step=step)
        now, tokens = time.monotonic(), self.trainer.num_tokens
        spent = now - self._last_log[0]
        rates = {f"lr_{g['name']}": g["lr"] for g in self.optimizer.param_groups}
        norm = self.trainer.gradient_norm
        speed = (tokens - self._last_log[1]) * self.work.shard.world / spent if spent > 0 else None
        self.work.pace.tokens_per_s = speed
        self.work.journal.event(
            "loss",
            step=self.steps_before + step,
            stage=self.number,
            loss=round(mean, 6),
            by_task={str(task): round(value, 6) for task, value in by_task.items()},
            gradient_norm=None if norm is None else round(float(norm), 6),
            tokens_per_s=None if speed is None else round(speed, 1),
            **rates,
        )
        self._last_log = (now, tokens)
        self._track(step, "loss", mean, by_task, rates)

    def _track(
        self, step: int, name: str, mean: float | None, by_task: dict[int, float], more: dict[str, float]
    ) -> None:
        """The curves in the tracking tool: `name` over all tasks, `name`/<task> for each."""
        if self.work.config.report_to == "none" or not self.work.writes or mean is None:
            return
        names = self.work.model.modular.tasks
        values = {f"{name}/{names[int(task)]}": value for task, value in by_task.items()}
        self.trainer.report(self.steps_before + step, {name: mean, **values, **more})

    def _write_check(self, step: int, result: CheckResult, score: float | None, improved: bool) -> None:
        if not self.work.writes:
            return
        more = {} if score is None else {"score": round(score, 6)}
        self.work.journal.event(
            "validation",
            step=self.steps_before + step,
            stage=self.number,
            mean=_rounded(result.mean),
            best=improved,
            by_task={str(task): round(value, 6) for task, value in result.by_task.items()},
            **more,
        )
        if step:  # a tracking tool knows where to write only once training has begun
            self._track(step, "check_loss", result.mean, result.by_task, {})
        write_allocation(self.work.model.modular, self.work.paths, self.steps_before + step, self.number)

    def _report(self, step: int) -> None:
        self.work.pace.step()
        done = self.steps_before + step
        self.work.journal.progress(
            state="running",
            stage=self.stage.name,
            step=done,
            total_steps=self.work.plan.total_steps,
            message_key="run.training",
            **self.work.pace.estimate(done, self.total_seconds),
            message_values={"stage": self.number, "step": step, "steps": self.stage.steps},
        )


def run_stage(work: RunWork, number: int, state: TrainingState, resumed: Checkpoint | None) -> StageWatch:
    """Trains stage `number` (1-based) from `state` on; `resumed` holds the tensors when it begins in the middle."""
    stage = work.plan.stages[number - 1]
    model = work.model.modular
    model.set_stage(number)
    optimizer = build_optimizer(model, work.config, number)
    if resumed is not None and state.step:
        restore_optimizer(optimizer, resumed.optimizer)
    factor = schedule_factor(work.config.schedule, work.config.warmup, stage.steps)
    steps = stage.steps - state.step
    shard = work.shard
    meter = TaskLossMeter(len(work.train.examples), work.device)
    batches = MicroBatches(
        work.train, work.batch_plan, state.micro, steps * work.config.accumulation, shard.rank, shard.world
    )
    parts = StageParts(
        optimizer, StepSchedule(optimizer, factor, state.step), batches, meter, state.micro, steps, shard
    )
    watch = StageWatch(work, number, state, resumed.best if resumed is not None else None)
    watch.meter, watch.optimizer = meter, optimizer
    tracked = work.config.report_to != "none"
    output_dir = work.paths.tracking_dir if tracked else work.paths.checkpoints_dir
    arguments = training_arguments(work.config, steps, work.device, output_dir)
    work.journal.event(
        "stage",
        stage=number,
        name=stage.name,
        trains=stage.trains,
        steps=stage.steps,
        first_step=watch.steps_before + state.step,
    )
    watch.trainer = StageTrainer(work.model, work.config, arguments, parts, [watch])
    if state.step == 0:
        watch.check(0)
    if steps:
        _train(watch)
    watch.keep_best()
    watch.save(stage.steps, done=True)
    return watch


def _train(watch: StageWatch) -> None:
    watch.work.model.train()
    gc.freeze()  # the libraries' million objects need not be searched again and again while training
    try:
        watch.trainer.train()
    finally:
        gc.unfreeze()


def _is_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Asked in one question, since a card is waited for at each."""
    found = [torch.isfinite(tensor).all() for tensor in tensors.values()]
    return not found or bool(torch.stack(found).all())


def _copy(tensors: dict[str, Tensor]) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)

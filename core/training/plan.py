"""How many steps each stage takes: plain numbers, shared by the worker, the checks and the estimate. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.adapters.methods import METHODS
from core.tasks.dataset import TaskDataset
from core.tasks.mixture import MixtureSampler, MixtureSettings
from core.training.config import RunConfig, num_ranks

CHECKS_A_STAGE = 10
CHECK_SHARE = 0.2  # checks may take at most about this share of the time of training
FORWARD_SHARE = 1 / 3  # a forward pass, in units of a training step over the same rows


@dataclass(frozen=True)
class StagePlan:
    """One stage. `trains` is "skills and allocation", "allocation" or "skills"; `steps` are optimizer steps."""

    name: str
    trains: str
    steps: int
    evaluate_every: int
    checkpoint_every: int


@dataclass(frozen=True)
class RunPlan:
    """All stages of a run. `epoch_examples` is the number of examples in one pass over the mixture."""

    stages: tuple[StagePlan, ...]
    epoch_examples: int
    shares: tuple[float, ...]

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def build_sampler(config: RunConfig, dataset: TaskDataset) -> MixtureSampler:
    """The mixture of tasks of a run; the same seed draws the same examples."""
    sizes = [len(dataset.examples[(index, "train")]) for index in range(len(dataset.tasks))]
    settings = MixtureSettings(
        strategy=config.mixture, cap_ratio=config.mixture_cap, temperature=config.mixture_temperature,
    )
    return MixtureSampler(sizes, settings, config.seed)


def plan_run(config: RunConfig, dataset: TaskDataset) -> RunPlan:
    """Steps of every stage of the config's method on this dataset."""
    sampler = build_sampler(config, dataset)
    per_epoch = len(sampler.epoch_examples(0))
    per_step = config.batch_size * config.accumulation * num_ranks(config)
    first = config.max_steps or max(1, math.ceil(config.epochs * per_epoch / per_step))
    trains = METHODS.get(config.method).stages
    rows = sum(min(config.validation_rows, size) for size in dataset.sizes("validation"))
    check_cost = FORWARD_SHARE * rows / per_step
    stages = [_stage(config, "stage1", trains[0], first, check_cost)]
    second = config.stage2_steps if config.stage2_steps is not None else round(first * config.stage2_fraction)
    if len(trains) > 1 and second > 0:
        stages.append(_stage(config, "stage2", trains[1], second, check_cost))
    return RunPlan(tuple(stages), per_epoch, tuple(sampler.shares()))


def _stage(config: RunConfig, name: str, trains: str, steps: int, check_cost: float) -> StagePlan:
    """`check_cost` in steps: without a wish of the user, checks come ten times a stage or as often as is cheap."""
    cheap = math.ceil(check_cost / CHECK_SHARE)
    evaluate = config.evaluate_every or min(steps, max(1, cheap, math.ceil(steps / CHECKS_A_STAGE)))
    return StagePlan(name, trains, steps, evaluate, config.checkpoint_every or evaluate)

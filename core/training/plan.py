"""How many steps each stage takes: plain numbers, shared by the worker, the checks and the estimate. Torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.tasks.dataset import TaskDataset, few_shot_dataset, load_dataset_of
from core.tasks.mixture import MixtureSampler, MixtureSettings
from core.training.config import RunConfig, num_ranks, own_stages
from core.training.settings.learning import MOST_ACCUMULATED
from core.workspace import Project

CHECKS_A_STAGE = 10
OFF, APART, JOINED = "off", "apart", "joined"  # choices of the setting `chunks`
SCORED_ROWS = 32  # check rows of a task that are answered at every check of a run that keeps the best by score
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
    """All stages of a run. `epoch_examples` is the number of examples in one pass over the mixture.

    `shares` of each task in it add up to 1; `passes` is how often the whole run goes through each task's rows.
    """

    stages: tuple[StagePlan, ...]
    epoch_examples: int
    shares: tuple[float, ...]
    passes: tuple[float, ...] = ()

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def load_run_dataset(project: Project, config: RunConfig, task_names: list[str] | None = None) -> TaskDataset:
    """The tasks as a run of this config would freeze them: without those left out, templates drawn by its seed, few
    rows if it says so. May be without any task, which the checks say.

    Raises:
        WorkspaceError: an unknown task, or a project without tasks.
    """
    dataset = leave_out(load_dataset_of(project, task_names, config.seed), config)
    return dataset if config.few_shot is None else few_shot_dataset(dataset, config.few_shot, config.seed)


def left_out_names(config: RunConfig) -> list[str]:
    """The names or ids of tasks that a run does without, as the setting has them."""
    return [name.strip() for name in (config.left_out_tasks or "").split(";") if name.strip()]


def leave_out(dataset: TaskDataset, config: RunConfig) -> TaskDataset:
    """The tasks that are not left out, numbered anew."""
    names = set(left_out_names(config))
    kept = [i for i, spec in enumerate(dataset.tasks) if not {spec.name, spec.task_id} & names]
    if len(kept) == len(dataset.tasks):
        return dataset
    place = {old: new for new, old in enumerate(kept)}
    rows = {(place[task], split): rows for (task, split), rows in dataset.examples.items() if task in place}
    return TaskDataset(tuple(dataset.tasks[task] for task in kept), rows)


def build_sampler(config: RunConfig, dataset: TaskDataset) -> MixtureSampler:
    """The mixture of tasks of a run; the same seed draws the same examples."""
    sizes = [len(dataset.examples[(index, "train")]) for index in range(len(dataset.tasks))]
    settings = MixtureSettings(
        strategy=config.mixture, cap_ratio=config.mixture_cap, temperature=config.mixture_temperature
    )
    return MixtureSampler(sizes, settings, config.seed)


def practised_tasks(dataset: TaskDataset) -> int:
    """How many tasks have practice rows."""
    return sum(1 for size in dataset.sizes("train") if size)


def rows_at_once(config: RunConfig, num_tasks: int) -> int:
    """Rows of a micro batch: the batch size, and with chunks as many of them as whole chunks of one row of each
    task hold, where one fits."""
    return whole_chunks(config.batch_size, config.chunks, num_tasks)


def whole_chunks(batch_size: int, chunks: str, num_tasks: int) -> int:
    """As `rows_at_once`, of these settings."""
    whole = batch_size - batch_size % num_tasks if num_tasks else batch_size
    return batch_size if chunks == OFF else whole or batch_size


def smaller_batch(config: RunConfig, num_tasks: int) -> dict[str, int]:
    """Fewer rows at once, and as many in each step as before, so that the training stays the same: settings to
    change. Nothing where that cannot be."""
    rows = rows_at_once(config, num_tasks)
    smallest = next((n for n in range(2, rows + 1) if _is_same(config, rows, n, num_tasks)), None)
    if smallest is None or config.accumulation * smallest > MOST_ACCUMULATED:
        return {}
    return {"batch_size": rows // smallest, "accumulation": config.accumulation * smallest}


def _is_same(config: RunConfig, rows: int, parts: int, num_tasks: int) -> bool:
    """Whether `rows` at once are the same as so many parts of them: no part cuts a row of joined ones."""
    few = rows // parts
    is_cut = config.chunks == JOINED and few % max(1, num_tasks) != 0
    return few * parts == rows and whole_chunks(few, config.chunks, num_tasks) == few and not is_cut


def plan_run(config: RunConfig, dataset: TaskDataset) -> RunPlan:
    """Steps of every stage of the config's method on this dataset."""
    sampler = build_sampler(config, dataset)
    per_epoch = len(sampler.epoch_examples(0))
    per_step = rows_at_once(config, practised_tasks(dataset)) * config.accumulation * num_ranks(config)
    first = config.max_steps or max(1, math.ceil(config.epochs * per_epoch / per_step))
    trains = own_stages(config)
    rows = sum(min(config.validation_rows, size) for size in dataset.sizes("validation"))
    check_cost = FORWARD_SHARE * rows / per_step
    stages = [_stage(config, "stage1", trains[0], first, check_cost)]
    second = config.stage2_steps if config.stage2_steps is not None else round(first * config.stage2_fraction)
    if len(trains) > 1 and second > 0:
        stages.append(_stage(config, "stage2", trains[1], second, check_cost))
    epochs = sum(stage.steps for stage in stages) * per_step / per_epoch
    passes = tuple(epochs * passes for passes in sampler.passes())
    return RunPlan(tuple(stages), per_epoch, tuple(sampler.shares()), passes)


def steps_to_choose(config: RunConfig, plan: RunPlan) -> int | None:
    """About how many steps of stage 1 a method needs before it can choose anything for the task that fewest of them
    hold: Adam moves a number by about its rate a step, and the rate falls meanwhile. None: it needs no time."""
    way = config.adapter.way_to_choice()
    if way is None or not plan.shares or config.learning_rate_allocation <= 0:
        return None
    distance, rest = way
    kept = 1 - rest if config.schedule == "constant" else (1 - rest) ** 2 / 2
    rows = config.batch_size * config.accumulation * num_ranks(config)
    held = 1 - (1 - min(share for share in plan.shares if share)) ** rows
    return math.ceil(distance / (config.learning_rate_allocation * kept * held))


def _stage(config: RunConfig, name: str, trains: str, steps: int, check_cost: float) -> StagePlan:
    """`check_cost` in steps: without a wish of the user, checks come ten times a stage or as often as is cheap."""
    cheap = math.ceil(check_cost / CHECK_SHARE)
    evaluate = config.evaluate_every or min(steps, max(1, cheap, math.ceil(steps / CHECKS_A_STAGE)))
    return StagePlan(name, trains, steps, evaluate, config.checkpoint_every or evaluate)

"""The contract of an adapter method, and how adapters are put into a base model.

An adapter owns all trainable numbers (its state_dict is what is saved). The layers of the base model are wrapped in
place; a wrapper holds no numbers and no state: what it needs is in the current call (core/adapters/call.py).
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.adapters.call import AdaptedLinear, Call, LinearGroup, Linears
from core.adapters.observing import TASK, Observation, Parts, Seen
from core.adapters.registry import METHODS
from core.adapters.settings.places import AdapterConfig
from core.adapters.skill import Skill
from core.adapters.targets import Site, replace_module
from core.adapters.task_change import TaskChange
from core.adapters.wishes import Wishes
from core.base.errors import ModelError
from core.base.seeds import torch_seed
from core.base.settings import require_settings, settings_from_dict

LoraFactors = dict[str, tuple[Tensor, Tensor]]
ParameterGroups = dict[str, list[nn.Parameter]]
Merger = Callable[[str, Tensor], Tensor]


class Adapter(nn.Module):
    """Base class of all methods. T tasks, L rows of the allocation (layers times routing heads), S skills.

    Subclasses wrap the base model's layers when they are built. Parameters are float32 whatever its type.
    `takes_fast_path`: calls are given one; `prune_below`: the weight under which skills are off in the end, or 0.
    """

    takes_fast_path = True
    prune_below = 0.0

    def __init__(self, method: str, config: AdapterConfig, num_tasks: int) -> None:
        super().__init__()
        self.method = method
        self.config = config
        self.num_tasks = num_tasks
        self.stage = 1
        self.trained_share = 1.0  # of the steps of this stage, 0 to 1; the training sets it before every step

    @property
    def num_stages(self) -> int:
        return len(METHODS.get(self.method).stages)

    @abstractmethod
    def prepare(self, call: Call) -> None:
        """Computes once for a call what all layers need, into `call.state`."""

    @abstractmethod
    def parameter_groups(self, stage: int) -> ParameterGroups:
        """What a stage (1, 2) trains: parameters by learning rate, "skills" and "allocation"."""

    @abstractmethod
    def skills(self) -> list[Skill]:
        """The S columns of the allocation."""

    @abstractmethod
    def layer_names(self) -> list[str]:
        """The L rows of the allocation."""

    @abstractmethod
    def allocation(self) -> np.ndarray:
        """[L, T, S] mixing weights at evaluation."""

    @abstractmethod
    def allocation_logits(self) -> np.ndarray:
        """[L, T, C] what is behind the weights that are learned; C = 0 where nothing is."""

    @property
    def settled(self) -> bool:
        """Whether the adapter is of the size that was asked for by now; one that is not yet beats none that is."""
        return True

    def packs(self, batch_size: int) -> bool:
        """Whether batches of so many examples may stand behind each other in one row of tokens."""
        return False

    def observe(self, seen: Seen) -> Observation:
        """The weights that a text was read with. Here: its task's row of the allocation."""
        return Observation(TASK, torch.from_numpy(self.allocation()[:, seen.task]).float())

    def measure_parts(self, seen: Seen) -> list[Parts] | None:
        """How much common and private skills added to each text; None where that cannot be told apart."""
        return None

    def delta_products(self) -> Tensor | None:
        """[T, T] inner products of what tasks add to all weights; None: no shorter way than by `lora_factors`."""
        return None

    @property
    def can_switch_off(self) -> bool:
        """Whether `switch_off` works."""
        return False

    def switch_off(self, column: int) -> AbstractContextManager[None]:
        """Inside, skill number `column` adds nothing; the others keep their weights.

        Raises:
            ModelError: the method's skills are no parts of a sum.
        """
        raise ModelError("adapter.no_switch", method=METHODS.get(self.method).title)

    def as_untrained(self) -> AbstractContextManager[nn.Parameter | None]:
        """Inside, what all tasks share is as before the first step and nothing else adds anything; gives those
        numbers. None, and nothing changed, where a method has no skills that all share."""
        return nullcontext()

    def adapted_names(self) -> list[str]:
        """Paths of the base model's modules that the adapter changes; the allocation may have other rows."""
        return self.layer_names()

    def allocation_entries(self) -> np.ndarray:
        """[L, T, C] the weights before a row is normalised to sum to one; what sharpness is measured on."""
        return self.allocation()

    def prune(self, threshold: float) -> int:
        """Switches off what weighs less than `threshold`, if anything; returns how many weights that were."""
        return 0

    def set_stage(self, stage: int) -> None:
        """Freezes everything but what `stage` trains; a stage above 1 trains without routing noise.

        Raises:
            ModelError: the method has no such stage.
        """
        if not 1 <= stage <= self.num_stages:
            raise ModelError("adapter.no_stage", method=self.method, stage=stage, count=self.num_stages)
        self.stage = stage
        self.requires_grad_(False)
        for parameters in self.parameter_groups(stage).values():
            for parameter in parameters:
                parameter.requires_grad_(True)

    def add_task(self, like: int | None = None, seed: int = 0) -> int:
        """Adds a row for one more task, a copy of task `like`'s or the mean of all; returns its task id. The
        answers of the old tasks do not change by a bit. What is drawn for it follows from the seed and its id."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, self.num_tasks))
            self.grow(like)
        self.num_tasks += 1
        self.set_stage(self.stage)
        return self.num_tasks - 1

    @abstractmethod
    def grow(self, like: int | None) -> None:
        """Makes the parameters of one more task."""

    def train_only_task(self, task: int, with_private: bool = True) -> ParameterGroups:
        """Freezes all skills and returns what a new task trains: its row, and its private skills if wished.

        The row shares a tensor with the old ones, whose gradients are zero in batches of the new task alone: give
        it a fresh optimizer without weight decay, and the old rows stay bit-equal.

        Raises:
            ModelError: the method has nothing of the task's own.
        """
        groups = self.new_task_groups(task, with_private)
        if not any(groups.values()):
            raise ModelError("adapter.nothing_own", method=self.method)
        self.requires_grad_(False)
        for parameters in groups.values():
            for parameter in parameters:
                parameter.requires_grad_(True)
        return groups

    def new_task_groups(self, task: int, with_private: bool) -> ParameterGroups:
        """The parameters of one task's own."""
        return {"skills": [], "allocation": []}

    def change_task(self, task: int, change: TaskChange) -> None:
        """Changes what one task mixes, after training; all other tasks answer as before, bit for bit.

        Raises:
            ModelError: the method has no weights of one task that could be changed.
        """
        raise ModelError("adapter.no_change", method=METHODS.get(self.method).title)

    def take_wishes(self, wishes: Wishes) -> None:
        """Holds a user's wishes about the tasks' rows through all training; before the first step.

        Raises:
            ModelError: the method has no rows to hold.
        """
        raise ModelError("adapter.no_wishes", method=METHODS.get(self.method).title)

    def freeze_skills(self, factors: Mapping[int, Tensor]) -> None:
        """Puts an earlier run's numbers [P] in the place of these common skills and keeps them through all
        training, whatever the optimizer does; before the first step.

        Raises:
            ModelError: the method has no common skills to keep, or they have another size.
        """
        raise ModelError("wish.cannot_frozen", method=METHODS.get(self.method).title)

    def after_step(self) -> None:
        """Puts back what training may not change; called behind every step of the optimizer."""

    def lora_factors(self, task: int) -> LoraFactors:
        """Layer name -> (A [K, i], B [o, K]) so that the task's layer is x W0^T + x A^T B^T.

        Raises:
            ModelError: the method cannot become one LoRA.
        """
        raise ModelError("adapter.no_lora", method=METHODS.get(self.method).title)

    def take_lora(self, factors: LoraFactors) -> None:
        """Puts one low-rank pair a layer, as `lora_factors` gives them, in the place of all skills.

        Raises:
            ModelError: the method is no single LoRA.
        """
        raise ModelError("adapter.no_lora", method=METHODS.get(self.method).title)

    def take_library(self, library: Sequence[LoraFactors]) -> None:
        """Puts several LoRAs, as `lora_factors` gives them, in the place of the skills, side by side.

        Raises:
            ModelError: the method chooses among no LoRAs.
        """
        raise ModelError("adapter.no_library", method=METHODS.get(self.method).title)

    def merger(self, task: int) -> Merger:
        """(layer name, weight [o, i]) -> the weight as one task sees it.

        Raises:
            ModelError: the method cannot be merged into the base model's weights.
        """
        factors = self.lora_factors(task)  # once for all layers

        def merge(name: str, weight: Tensor) -> Tensor:
            down, up = factors[name]
            return weight + (up.float() @ down.float()).to(weight.dtype)

        return merge

    def merged_bias(self, name: str, bias: Tensor, task: int) -> Tensor:
        return bias

    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.parameters())


class LinearAdapter(Adapter):
    """A method that adds a term to linear layers."""

    @abstractmethod
    def run_group(self, call: Call, group: int, x: Tensor, linears: Linears) -> list[Tensor]:
        """Outputs [rows, n, o_k] of the layers of a group for x [rows, n, i], base and adapter together."""

    def wrap_linears(self, model: nn.Module, sites: list[Site], groups: list[list[int]]) -> None:
        for index, members in enumerate(groups):
            linears = [model.get_submodule(sites[m].name) for m in members]
            group = LinearGroup(index, linears, self.run_group)
            for position, member in enumerate(members):
                adapted = AdaptedLinear(linears[position], partial(group.output, position))
                replace_module(model, sites[member].name, adapted)


def build_adapter(
    base_model: nn.Module, method: str, config: AdapterConfig | Mapping[str, Any] | None, num_tasks: int, seed: int
) -> Adapter:
    """Freezes the base model, puts a new adapter of `method` into it, and returns the adapter (on the same device).

    The same seed gives the same weights, and the caller's random state is left as it was.

    Raises:
        SettingError: an unknown method or a setting out of bounds. ModelError: the adapter does not fit the model.
    """
    info = METHODS.get(method)
    if config is None:
        config = info.config_class()
    elif isinstance(config, Mapping):
        config = settings_from_dict(info.config_class, dict(config))
    require_settings(config)
    if not isinstance(config, info.config_class):
        raise ModelError("adapter.wrong_config", method=method, found=type(config).__name__)
    if num_tasks < 1:
        raise ModelError("adapter.no_tasks")
    base_model.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapter: Adapter = importlib.import_module(info.module).build(base_model, method, config, num_tasks)
    parameter = next(base_model.parameters())
    adapter.to(parameter.device)
    adapter.set_stage(1)
    return adapter

"""Base model and adapter as one modular model: task ids for every call, save, load."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from core.adapters.base import AdaptedLinear, Adapter, build_adapter
from core.adapters.call import Call, TaskIds, build_call, current_call, enter_call, has_call
from core.adapters.fast.packed import Packing
from core.adapters.fast.packed_attention import packed_attention
from core.adapters.fast.recompute import make_lean, undo_lean
from core.adapters.methods.mta import AdaptedFeedForward
from core.adapters.settings.places import AdapterConfig
from core.adapters.targets import replace_module
from core.base.errors import ModelError
from core.base.folders import whole_folder
from core.base.settings import settings_to_dict
from core.models.loading import LoadedBase

FORMAT = 1
WEIGHTS, DESCRIPTION = "adapter.safetensors", "adapter.json"


class ModularModel(nn.Module):
    """A frozen base model that answers as the task it is told.

    Every forward and generation takes `task_ids` [b], the allocation rows of its examples, as a list, a CPU tensor
    or a tensor on the device (the first two cost no host synchronisation). Safe for several threads.

    Raises (forward, generate):
        ModelError: no task ids, a task the adapter does not know, or another number of ids than examples.
    """

    def __init__(self, base: LoadedBase, adapter: Adapter, tasks: Sequence[str] = ()) -> None:
        super().__init__()
        self.base = base.model
        self.adapter = adapter
        self.model_id = base.model_id
        self.architecture = base.architecture
        self.tasks = list(tasks) or [f"task {i + 1}" for i in range(adapter.num_tasks)]

    @property
    def config(self) -> Any:
        return self.base.config

    @property
    def generation_config(self) -> Any:
        return self.base.generation_config

    @property
    def device(self) -> torch.device:
        return next(self.base.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.base.parameters()).dtype

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        task_ids: TaskIds | None = None,
        prompt_mask: Tensor | None = None,
        **others: Any,
    ) -> Any:
        """The base model's own output object (loss, logits, ...) for input_ids [b, n].

        prompt_mask [b, n] marks the tokens of the question for methods that read it; without it those are the
        tokens that are attended to and have no label.
        """
        if prompt_mask is None:
            prompt_mask = self._prompt_mask(attention_mask, labels)
        with self._call(task_ids, input_ids, prompt_mask):
            return self.base(input_ids=input_ids, attention_mask=attention_mask, labels=labels, **others)

    def forward_packed(
        self, input_ids: Tensor, packing: Packing, task_ids: TaskIds, wanted: Tensor | None = None, **others: Any
    ) -> Any:
        """As `forward` for examples that stand behind each other: input_ids [1, N], one task id for each example.

        wanted [P]: the tokens whose outputs are read. Where the model's last block can be trimmed
        (core/adapters/fast/last_block.py) the head sees these alone, in this order; see `Call.trims`.

        Raises:
            ModelError: the adapter or the base model cannot keep them apart.
        """
        no_mask = torch.zeros(1, 1, 1, 1, device=input_ids.device)  # four axes: transformers makes no mask itself
        with self._call(task_ids, input_ids, None, packing, wanted), packed_attention(self.base.config):
            return self.base(input_ids=input_ids, attention_mask=no_mask, position_ids=packing.positions, **others)

    @torch.no_grad()
    def generate(self, input_ids: Tensor, task_ids: TaskIds | None = None, **others: Any) -> Tensor:
        """As transformers' generate; beams and several return sequences included."""
        mask = others.get("attention_mask")
        with self._call(task_ids, input_ids, mask):
            return self.base.generate(input_ids=input_ids, **others)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Inside, this thread's calls go to the base model alone, bit for bit; task ids may be left out."""
        nothing = torch.zeros(0, dtype=torch.long)
        with enter_call(Call(nothing, [], nothing, disabled=True)):
            yield

    def set_stage(self, stage: int) -> None:
        self.adapter.set_stage(stage)

    def parameter_groups(self, stage: int) -> dict[str, list[nn.Parameter]]:
        """What a stage (1, 2) trains: "skills" and "allocation", each to be given its learning rate."""
        return self.adapter.parameter_groups(stage)

    def add_task(self, name: str, like: int | None = None, seed: int = 0) -> int:
        """A row for one more task (a copy of task `like`'s, or the mean of all); returns its task id."""
        task = self.adapter.add_task(like, seed)
        self.tasks.append(name)
        return task

    def skill_names(self) -> list[str]:
        return self.adapter.skill_names()

    def layer_names(self) -> list[str]:
        return self.adapter.layer_names()

    def allocation(self) -> np.ndarray:
        """[L, T, S] mixing weights at evaluation: layers x tasks x skills."""
        return self.adapter.allocation()

    def allocation_logits(self) -> np.ndarray:
        return self.adapter.allocation_logits()

    def allocation_table(self) -> dict[str, Any]:
        """The allocation as JSON values: layers, skills with their kind and task, weights [L][T][S]."""
        return {
            "layers": self.layer_names(),
            "tasks": self.tasks,
            "skills": [{"name": s.name, "kind": s.kind, "task": s.task} for s in self.adapter.skills()],
            "weights": self.allocation().astype(float).round(6).tolist(),
        }

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **others: Any
    ) -> None:
        """Recomputes blocks in the backward pass; the recomputation re-enters the call of its forward."""
        chosen = dict(activation_checkpointing_kwargs or {})
        chosen["use_reentrant"] = False
        chosen["context_fn"] = _recomputation_contexts
        self.base.activation_checkpointing_enable(activation_checkpointing_kwargs=chosen, **others)

    def activation_checkpointing_disable(self) -> None:
        self.base.activation_checkpointing_disable()

    def _prompt_mask(self, attention_mask: Tensor | None, labels: Tensor | None) -> Tensor | None:
        if labels is None or self.architecture == "encoder_decoder":
            return attention_mask
        unlabelled = labels == -100
        return unlabelled if attention_mask is None else unlabelled & attention_mask.bool()

    @contextmanager
    def _call(
        self,
        task_ids: TaskIds | None,
        input_ids: Tensor,
        prompt_mask: Tensor | None,
        packing: Packing | None = None,
        wanted: Tensor | None = None,
    ) -> Iterator[None]:
        call = _disabled_call()
        if call is None:
            call = build_call(task_ids, self.adapter.num_tasks, self.device, self.training)
            examples = input_ids.shape[0] if packing is None else len(packing.tokens)
            if len(call.task_ids) != examples:
                raise ModelError("adapter.task_count", ids=len(call.task_ids), examples=examples)
            call.prompt_mask, call.packing, call.wanted = prompt_mask, packing, wanted
            call.owners = None if packing is None else packing.owners
            self.adapter.prepare(call)
        with enter_call(call):
            yield


def _disabled_call() -> Call | None:
    return current_call() if has_call() and current_call().disabled else None


def _recomputation_contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """For torch.utils.checkpoint: the recomputation may run in a thread of autograd's, which has no current
    call.
    """
    return nullcontext(), enter_call(current_call())


def build_modular(
    base: LoadedBase,
    method: str,
    config: AdapterConfig | Mapping[str, Any] | None,
    tasks: Sequence[str] | int,
    seed: int = 0,
) -> ModularModel:
    """A base model with a new adapter of a registered method; `tasks` are their names, or how many there are."""
    names = [f"task {i + 1}" for i in range(tasks)] if isinstance(tasks, int) else list(tasks)
    make_lean(base.model)
    adapter = build_adapter(base.model, method, config, len(names), seed)
    return ModularModel(base, adapter, names)


def save_adapter(model: ModularModel, folder: Path) -> None:
    """Writes adapter.safetensors and adapter.json into `folder`; readers see the old pair or the new one."""
    adapter = model.adapter
    description = {
        "format": FORMAT,
        "method": adapter.method,
        "config": settings_to_dict(adapter.config),
        "num_tasks": adapter.num_tasks,
        "tasks": model.tasks,
        "stage": adapter.stage,
        "base_model": model.model_id,
        "architecture": model.architecture,
    }
    tensors = {name: t.detach().cpu().contiguous() for name, t in adapter.state_dict().items()}
    with whole_folder(folder) as written:
        save_file(tensors, written / WEIGHTS, metadata={"format": "pt"})
        (written / DESCRIPTION).write_text(json.dumps(description, ensure_ascii=False, indent=1), encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """adapter.json as a dictionary.

    Raises:
        ModelError: missing, damaged, or written by a newer version.
    """
    try:
        description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError("adapter.not_found", folder=str(folder)) from error
    except ValueError as error:
        raise ModelError("adapter.damaged", folder=str(folder), detail=str(error)) from error
    if description.get("format") != FORMAT:
        raise ModelError("adapter.format", folder=str(folder), found=description.get("format"))
    return description


def load_adapter(base: LoadedBase, folder: Path) -> ModularModel:
    """The modular model of a saved adapter on its base model.

    Raises:
        ModelError: the folder is missing or damaged, or the base model is another one than it was made for.
    """
    folder = Path(folder)
    description = read_description(folder)
    names = description["tasks"]
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError("adapter.damaged", folder=str(folder), detail=str(error)) from error
    model = build_modular(base, description["method"], description["config"], names)
    expected = {name: tuple(t.shape) for name, t in model.adapter.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if expected != found:
        raise ModelError("adapter.mismatch", base=base.model_id, made_for=description["base_model"])
    model.adapter.load_state_dict(tensors)
    model.set_stage(min(int(description["stage"]), model.adapter.num_stages))
    model.eval()
    return model


def unwrap(model: nn.Module) -> None:
    """Takes the adapter out of a base model: its layers are the original ones again."""
    undo_lean(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, AdaptedLinear):
            replace_module(model, name, module.linear)
        elif isinstance(module, AdaptedFeedForward):
            replace_module(model, name, module.inner)
